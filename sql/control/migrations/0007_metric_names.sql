-- Names of the platform's metrics in the languages of its first hotels. A name is no part of a
-- definition: its hash stays.
set local role analytics_owner;

update analytics.metric_definitions m
   set display = jsonb_build_object('default', n.en, 'values',
           jsonb_build_object('en', n.en, 'fa', n.fa, 'ps', n.ps))
  from (values
    ('rooms_sold', 'Rooms sold', 'اتاق‌های فروخته‌شده', 'پلورل شوې خونې'),
    ('rooms_occupied', 'Rooms occupied', 'اتاق‌های اشغال‌شده', 'نیول شوې خونې'),
    ('rooms_available', 'Rooms available', 'اتاق‌های موجود', 'شته خونې'),
    ('room_revenue', 'Room revenue', 'درآمد اتاق', 'د خونو عاید'),
    ('occupancy_pct', 'Occupancy', 'ضریب اشغال', 'د اشغال کچه'),
    ('occupancy_total_pct', 'Occupancy with complimentary and house use', 'ضریب اشغال با اتاق‌های رایگان و داخلی',
        'د اشغال کچه، له وړیا او داخلي خونو سره'),
    ('occupancy_adjusted_pct', 'Occupancy of rooms in order', 'ضریب اشغال اتاق‌های قابل استفاده',
        'د چمتو خونو د اشغال کچه'),
    ('adr', 'Average daily rate', 'میانگین نرخ روزانه', 'د ورځې منځنۍ بیه'),
    ('revpar', 'Revenue per available room', 'درآمد به ازای هر اتاق موجود', 'د هرې شته خونې عاید'),
    ('alos', 'Average length of stay', 'میانگین مدت اقامت', 'د پاتې کېدو منځنۍ موده'),
    ('cancellation_rate', 'Cancellation rate by arrival', 'نرخ لغو بر اساس تاریخ ورود', 'د لغوې کچه د رسېدو له مخې'),
    ('cancellation_rate_booked', 'Cancellation rate by booking date', 'نرخ لغو بر اساس تاریخ رزرو',
        'د لغوې کچه د بکولو له مخې'),
    ('no_show_rate', 'No-show rate', 'نرخ عدم حضور', 'د نه راتګ کچه'),
    ('lead_time_days', 'Lead time', 'فاصلهٔ رزرو تا ورود', 'له بکولو تر رسېدو وخت'),
    ('channel_mix', 'Channel mix by nights', 'سهم کانال‌ها از شب‌ها', 'د چینلونو ونډه په شپو کې'),
    ('channel_mix_revenue', 'Channel mix by revenue', 'سهم کانال‌ها از درآمد', 'د چینلونو ونډه په عاید کې'),
    ('channel_mix_bookings', 'Channel mix by bookings', 'سهم کانال‌ها از رزروها', 'د چینلونو ونډه په بکولو کې'),
    ('payment_success_rate', 'Payment success rate', 'نرخ پرداخت موفق', 'د بریالیو تادیو کچه')
       ) as n (key, en, fa, ps)
 where m.tenant_id is null
   and m.key = n.key
   and m.version = 1;

reset role;
