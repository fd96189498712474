/* Folding tables; see fold.h. */
#include "ingestd/reading/fold.h"

struct fold {
	struct slice word;
	const char *folded;
};

static const struct fold retentions[] = {
	{SLICE_INIT("operational"), "operational"},
	{SLICE_INIT("operational_2y"), "operational"},
	{SLICE_INIT("operational_7y"), "operational"},
	{SLICE_INIT("standard"), "operational"}, /* staff, theme */
	{SLICE_INIT("short"), "operational"},    /* theme */
	{SLICE_INIT("long"), "operational"},     /* theme */
	{SLICE_INIT("regulated"), "regulated"},
	{SLICE_INIT("regulatory_10y_objectlock"), "regulated"},
	{SLICE_INIT("transactional"), "regulated"}, /* inventory: kept for ever */
	{SLICE_INIT("pii"), "regulated"},           /* staff: redacted on request, not dropped */
	{SLICE_INIT("audit"), "audit"},
	{SLICE_INIT("security"), "audit"}, /* iam */
	{SLICE_INIT("analytical"), "analytical"},
	{SLICE_INIT("analytics"), "analytical"}, /* iam */
};

static const struct fold regions[] = {
	{SLICE_INIT("AF"), "me-central1"},
	{SLICE_INIT("KSA"), "me-central1"},
	{SLICE_INIT("me-central1"), "me-central1"},
	{SLICE_INIT("gcp-me-central1"), "me-central1"},
	{SLICE_INIT("IN"), "asia-south1"},
	{SLICE_INIT("asia-south1"), "asia-south1"},
	{SLICE_INIT("gcp-asia-south1"), "asia-south1"},
	{SLICE_INIT("EU"), "europe-west3"},
	{SLICE_INIT("europe-west3"), "europe-west3"},
	{SLICE_INIT("gcp-europe-west3"), "europe-west3"},
	{SLICE_INIT("europe-west4"), "europe-west3"},
	{SLICE_INIT("gcp-europe-west4"), "europe-west3"},
};

static const char *look_up(const struct fold *table, size_t n, struct slice word)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq(word, table[i].word))
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
