-- What the planner reckons a page read at random to cost: the unit of its estimates in bytes.
-- rows: 1 (random_page_cost)
show random_page_cost;
