-- Names without a schema are the tenant's views, until the transaction ends.
set local search_path = tenant_views;
