/* Folding tables; see fold.h. */
#include "ingestd/fold.h"

struct fold {
	const char *word, *folded;
};

static const struct fold retentions[] = {
	{"operational", "operational"},
	{"operational_2y", "operational"},
	{"operational_7y", "operational"},
	{"standard", "operational"}, /* staff, theme */
	{"short", "operational"},    /* theme */
	{"long", "operational"},     /* theme */
	{"regulated", "regulated"},
	{"regulatory_10y_objectlock", "regulated"},
	{"transactional", "regulated"}, /* inventory: kept for ever */
	{"pii", "regulated"},           /* staff: redacted on request, not dropped with the rest */
	{"audit", "audit"},
	{"security", "audit"}, /* iam */
	{"analytical", "analytical"},
	{"analytics", "analytical"}, /* iam */
};

static const struct fold regions[] = {
	{"AF", "me-central1"},
	{"KSA", "me-central1"},
	{"me-central1", "me-central1"},
	{"gcp-me-central1", "me-central1"},
	{"IN", "asia-south1"},
	{"asia-south1", "asia-south1"},
	{"gcp-asia-south1", "asia-south1"},
	{"EU", "europe-west3"},
	{"europe-west3", "europe-west3"},
	{"gcp-europe-west3", "europe-west3"},
	{"europe-west4", "europe-west3"},
	{"gcp-europe-west4", "europe-west3"},
};

static const char *look_up(const struct fold *table, size_t n, struct slice word)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq_str(word, table[i].word))
			return table[i].folded;
	return NULL;
}

struct slice fold_retention(struct slice word)
{
	const char *folded = look_up(retentions, ARRAY_SIZE(retentions), word);

	if (folded == NULL)
		folded = word.len == 0 ? "operational" : "regulated";
	return slice_of(folded);
}

struct slice fold_residency(struct slice word)
{
	return slice_of(look_up(regions, ARRAY_SIZE(regions), word));
}
