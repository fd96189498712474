-- Names of the other platform metrics in the languages of its first hotels (as 0007).
set local role analytics_owner;

update analytics.metric_definitions m
   set display = jsonb_build_object('default', n.en, 'values',
           jsonb_build_object('en', n.en, 'fa', n.fa, 'ps', n.ps))
  from (values
    ('time_to_ready_minutes', 'Minutes from check-out to a ready room', 'دقیقه از خروج تا آماده‌شدن اتاق',
        'له وتلو څخه د خونې تر چمتو کېدو دقیقې'),
    ('lock_success_rate', 'Lock success rate', 'نرخ بازشدن موفق قفل', 'د قلف د بریالي خلاصېدو کچه'),
    ('ai_suggestion_acceptance_rate', 'AI suggestions accepted', 'نرخ پذیرش پیشنهادهای هوش مصنوعی',
        'د مصنوعي ځیرکتیا د منل شویو وړاندیزونو کچه'),
    ('meta_to_book_conversion', 'Conversion of meta search', 'نرخ تبدیل جست‌وجوی متا به رزرو',
        'د میټا لټون څخه بکولو ته د اوښتو کچه'),
    ('meta_to_book_conversion_net', 'Conversion of meta search less cancellations', 'نرخ تبدیل جست‌وجوی متا پس از لغوها',
        'د میټا لټون د اوښتو کچه، بې له لغوو')
       ) as n (key, en, fa, ps)
 where m.tenant_id is null
   and m.key = n.key
   and m.version = 1;

reset role;
