-- Lets the transaction see the properties of a signed scope; see tenant_views.set_scope.
-- $1 signed text
select tenant_views.set_scope($1::text);
