/* The tables of catalog.h. */
#include "tools/sim/catalog.h"

const struct method_info catalog_methods[METHOD_COUNT] = {
	[METHOD_CASH] = {"cash", "cash"},
	[METHOD_CARD] = {"card", "stripe"},
	[METHOD_PAYPAL] = {"paypal", "paypal"},
	[METHOD_MFS] = {"mfs", "hesabpay"},
};

static const struct country afghanistan = {
	.code = "AF",
	.timezone = "Asia/Kabul",
	.locale = "fa-AF",
	.offset_minutes = 270,
	.residency = {"gcp-me-central1", "AF"},
	.weekend = "[5]",
	.weekday_pct = {95, 95, 95, 120, 115, 90, 95},
	.season_pct = {65, 65, 95, 110, 115, 105, 95, 95, 110, 115, 90, 70},
	.methods = {70, 8, 2, 20},
};

static const struct country tajikistan = {
	.code = "TJ",
	.timezone = "Asia/Dushanbe",
	.locale = "tg-TJ",
	.offset_minutes = 300,
	.residency = {"gcp-asia-south1", "asia-south1"},
	.weekend = "[6,7]",
	.weekday_pct = {95, 95, 95, 100, 115, 115, 90},
	.season_pct = {65, 65, 95, 105, 115, 120, 120, 115, 110, 95, 75, 65},
	.methods = {50, 40, 5, 5},
};

static const struct country iran = {
	.code = "IR",
	.timezone = "Asia/Tehran",
	.locale = "fa-IR",
	.offset_minutes = 210, /* no summer time since 2022 */
	.residency = {"gcp-me-central1", "me-central1"},
	.weekend = "[4,5]",
	.weekday_pct = {92, 95, 115, 125, 110, 85, 90},
	.season_pct = {80, 85, 150, 125, 105, 95, 100, 105, 105, 95, 85, 80},
	.methods = {40, 55, 0, 5},
};

static const struct country portugal = {
	.code = "PT",
	.timezone = "Europe/Lisbon",
	.locale = "pt-PT",
	.eu_summer_time = true,
	.residency = {"gcp-europe-west4", "EU"},
	.weekend = "[6,7]",
	.weekday_pct = {90, 90, 92, 98, 120, 125, 95},
	.season_pct = {60, 62, 75, 100, 112, 125, 140, 150, 125, 100, 72, 75},
	.methods = {10, 72, 18, 0},
};

const struct currency catalog_currencies[] = {
	{"AFN", 70000000, 520000, 1000},
	{"TJS", 9600000, 64000, 100},
	{"IRR", INT64_C(1050000000000), INT64_C(5800000000), 10000000},
	{"EUR", 860000, 9600, 50},
	{"USD", 1000000, 8500, 100},
};
const size_t catalog_currency_count = ARRAY_SIZE(catalog_currencies);

#define AFN (&catalog_currencies[0])
#define TJS (&catalog_currencies[1])
#define IRR (&catalog_currencies[2])
#define EUR (&catalog_currencies[3])
#define USD (&catalog_currencies[4])

/* The first four are the default group; more properties go on down the list, then start over. */
const struct place catalog_places[] = {
	{"Kabul", "Shahr-e Naw House", "خانهٔ شهر نو", &afghanistan, AFN, 100},
	{"Dushanbe", "Rudaki Hotel", "Меҳмонхонаи Рӯдакӣ", &tajikistan, TJS, 100},
	{"Tehran", "Laleh Park Hotel", "هتل پارک لاله", &iran, IRR, 100},
	{"Lisbon", "Casa do Tejo", "Casa do Tejo – Alfama", &portugal, EUR, 115},
	{"Kabul", "Airport Residence", "اقامتگاه میدان هوایی", &afghanistan, USD, 130},
	{"Khujand", "Syr Darya Inn", "Меҳмонхонаи Сирдарё", &tajikistan, TJS, 85},
	{"Isfahan", "Zayandeh Rood Hotel", "هتل زاینده‌رود", &iran, IRR, 110},
	{"Porto", "Ribeira Guest House", "Hospedaria da Ribeira", &portugal, EUR, 95},
	{"Herat", "Arg Guest House", "مهمانخانهٔ ارگ", &afghanistan, AFN, 80},
	{"Bamyan", "Band-e Amir Lodge", "اقامتگاه بند امیر", &afghanistan, USD, 70},
	{"Shiraz", "Eram Garden Hotel", "هتل باغ ارم", &iran, IRR, 95},
	{"Faro", "Ria Formosa Hotel", "Hotel da Ria Formosa", &portugal, EUR, 105},
};
const size_t catalog_place_count = ARRAY_SIZE(catalog_places);

const struct room_type_info catalog_room_types[CATALOG_ROOM_TYPES] = {
	{"TWN", "Twin", 400, 100, 2},
	{"KNG", "King", 350, 112, 2},
	{"FAM", "Family", 150, 145, 4},
	{"STE", "Suite", 100, 230, 3},
};

const struct channel_info catalog_channels[CHANNEL_COUNT] = {
	[CHANNEL_DIRECT] = {"direct", 260, 150, 25, 100, true, 400, {0, 1, 3, 6, 11, 20, 38, 75}},
	[CHANNEL_OTA] = {"ota", 340, 310, 40, 104, false, 300, {0, 2, 6, 13, 24, 42, 68, 110}},
	[CHANNEL_META] = {"meta", 100, 220, 35, 101, true, 500, {0, 1, 4, 9, 17, 30, 52, 90}},
	[CHANNEL_WALK_IN] = {"walk_in", 80, 0, 0, 108, false, 0, {0}},
	[CHANNEL_CORPORATE] =
		{"corporate", 120, 120, 20, 90, false, 100, {0, 1, 2, 4, 7, 12, 20, 35}},
	[CHANNEL_GDS] = {"gds", 60, 180, 30, 103, false, 200, {0, 1, 3, 6, 10, 16, 27, 45}},
	[CHANNEL_UNKNOWN] = {"unknown", 40, 200, 60, 97, false, 0, {0, 1, 2, 5, 9, 15, 25, 50}},
};

const struct segment_info catalog_segments[SEGMENT_COUNT] = {
	[SEGMENT_LEISURE] = {"leisure", 500, 1, 1, 100, {30, 28, 17, 10, 6, 3, 4, 1, 0, 1}},
	[SEGMENT_BUSINESS] = {"business", 270, 1, 1, 104, {38, 30, 16, 9, 4, 1, 1}},
	[SEGMENT_NGO] =
		{"government_ngo", 80, 1, 2, 92, {6, 10, 14, 14, 14, 8, 14, 3, 3, 3, 2, 2, 2, 5}},
	[SEGMENT_GROUP] = {"group", 60, 2, 6, 84, {20, 35, 25, 12, 5, 2, 1}},
	[SEGMENT_DAY_USE] = {"day_use", 35, 1, 1, 55, {0}},
	[SEGMENT_COMPLIMENTARY] = {"complimentary", 35, 1, 1, 0, {50, 35, 15}},
	[SEGMENT_HOUSE] = {"house", 20, 1, 1, 0, {40, 30, 20, 10}},
};
