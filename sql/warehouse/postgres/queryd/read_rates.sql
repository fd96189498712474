-- Rates between a currency and the others that can count within a window: those of its days, and the
-- last one before.
-- $1 currency text   what amounts are converted to
-- $2 from date
-- $3 to date
-- rows: by currency, date, direct (currency: the other one, rate_date, direct boolean: the rate leads
--       from it to $1, else back; rate: times 10^15, rounded)
select r.currency, r.rate_date, r.direct, pg_catalog.round(r.rate * 1000000000000000) as rate
  from (
       select case when f.quote_currency = $1::text then f.base_currency else f.quote_currency end as currency,
              f.quote_currency = $1::text as direct,
              f.rate_date,
              f.rate,
              pg_catalog.lead(f.rate_date) over (
                  partition by f.base_currency, f.quote_currency order by f.rate_date) as next_date
         from tenant_views.dim_fx f
        where (f.quote_currency = $1::text or f.base_currency = $1::text)
          and f.rate_date <= $3::date
          and f.rate > 0) r
 where r.next_date is null or r.next_date > $2::date
 order by r.currency collate "C", r.rate_date, r.direct;
