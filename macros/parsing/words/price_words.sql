{#- Words behind a number by what they multiply it with. Small letters. -#}
{% macro multiplier_words() %}
    {% do return({
        '1e3': ['k', 'tsd', 'tys', 'тыс', 'тис', 'mil', 'bin', 'nghìn', 'ألف', 'الف', 'хил', 'thousand', 'χιλ'],
        '1e4': ['万', '萬', '만'],
        '1e5': ['lakh', 'lakhs', 'lac', 'lacs', 'l', 'लाख', 'แสน'],
        '1e6': [
            'm', 'mm', 'mn', 'mln', 'mio', 'mi', 'mill', 'million', 'millions', 'milion', 'milioni', 'millones',
            'milhão', 'milhões', 'millió', 'milionů', 'milj', 'miljoen', 'miljoner', 'milyon', 'млн', 'juta', 'jt',
            'triệu', 'tr', 'ล้าน', 'مليون', 'میلیون', 'מיליון', 'εκατ', '百万',
        ],
        '1e7': ['crore', 'crores', 'cr', 'करोड़', '천만', '천'],
        '1e8': ['億', '亿', '억'],
        '1e9': ['bn', 'mrd', 'mld', 'billion', 'miliar', 'milyar', 'млрд', 'tỷ', 'tỉ', 'ty', 'مليار', 'میلیارد'],
    }) %}
{% endmacro %}

{#- Multipliers behind which a second number may follow: '1億2800万', '12억 5,000', '1 crore 25 lakh'. -#}
{% macro compound_multiplier_words() %}
    {% do return(['億', '亿', '억', 'crore', 'crores', 'cr', 'करोड़', 'tỷ', 'میلیارد']) %}
{% endmacro %}

{#- Words of price texts by the qualifier they mean. Small letters. -#}
{% macro qualifier_words() %}
    {% do return({
        'on_request': [
            'poa', 'p.o.a', 'on request', 'upon request', 'on application', 'on demand', 'upon inquiry',
            'price withheld', 'undisclosed', 'not disclosed', 'contact agent', 'contact for price', 'call for price',
            'ask for price', 'enquire', 'price tba', 'tba', 'auf anfrage', 'preis a.a', 'sur demande', 'nous consulter',
            'op aanvraag', 'prijs op aanvraag', 'a consultar', 'consultar precio', 'consultar', 'sob consulta',
            'preço sob consulta', 'su richiesta', 'trattativa riservata', 'prezzo riservato', 'na vyžádání',
            'info o ceně', 'info v rk', 'cena v rk', 'na dopyt', 'zapytaj o cenę', 'cena na zapytanie', 'do uzgodnienia',
            'pris på begäran', 'pris på forespørsel', 'pris på forespørgsel', 'hinta pyydettäessä', 'ár megegyezés',
            'érdeklődjön', 'la cerere', 'pret la cerere', 'по запросу', 'цена по запросу', 'договорная', 'договірна',
            'по договоренности', 'по договаряне', 'na upit', 'cena na upit', 'po dogovoru', 'fiyat sorunuz',
            'fiyat için arayın', 'τιμή κατόπιν', 'السعر عند الطلب', 'عند الطلب', 'اسأل عن السعر', 'تماس بگیرید',
            'توافقی', 'thỏa thuận', 'giá thỏa thuận', 'hubungi', 'harga hubungi', '面议', '面議', '要相談', '応相談',
            '価格未定', '가격문의', '협의', 'สอบถามราคา', 'ติดต่อสอบถาม',
        ],
        'offers_over': [
            'offers over', 'offers above', 'offers in excess', 'in excess of', 'oieo', 'o.i.e.o', 'excess of',
            'bids over', 'enquiries over', 'enquiry over', 'bieden vanaf', 'bieden boven',
        ],
        'offers_around': [
            'offers in the region', 'in the region of', 'oiro', 'o.i.r.o', 'offers around', 'offers circa', 'region of',
        ],
        'guide': ['guide', 'guide price', 'price guide', 'indicative', 'richtprijs', 'richtpreis', 'orientační cena'],
        'auction': ['auction', 'starting bid', 'aukce', 'dražba', 'licytacja', 'enchères', 'subasta', 'asta', 'versteigerung'],
        'fixed': ['fixed price', 'fixed', 'festpreis', 'prix ferme', 'fast pris', 'precio fijo', 'prezzo fisso'],
        'negotiable': [
            'negotiable', 'ono', 'o.n.o', 'or nearest offer', 'obo', 'o.b.o', 'or best offer', 'neg', 'vb', 'vhb',
            'verhandlungsbasis', 'verhandelbar', 'négociable', 'à débattre', 'negociable', 'negociável', 'trattabile',
            'trattabili', 'do negocjacji', 'k jednání', 'dohodou', 'торг', 'торг возможен', 'nego', 'pazarlıklı',
            'onderhandelbaar', 'قابل للتفاوض', 'συζητήσιμη', 'negotiabil', 'alkudható',
        ],
        'from': [
            'from', 'starting at', 'starting from', 'starts at', 'prices from', 'priced from', 'ab', 'à partir de',
            'a partir de', 'dès', 'desde', 'da €', 'a partire da', 'od', 'již od', 'vanaf', 'från', 'fra', 'alkaen', 'от',
            'від', 'ab preis', 'mulai', 'mulai dari', 'chỉ từ', 'từ', 'từ giá', 'начиная от',
            'începând de la', "başlayan", 'ابتداء من', 'تبدأ من', 'من', 'از', 'από', 'เริ่มต้น', '起', '〜から', '부터',
        ],
        'up_to': ['up to', 'bis zu', "jusqu'à", 'hasta', 'até', 'fino a', 'tot', 'maximaal'],
    }) %}
{% endmacro %}

{#- Words of price texts by the time that a rent pays for. Small letters. -#}
{% macro period_words() %}
    {% do return({
        'month': [
            'month', 'per month', '/mo', '/month', 'a month', 'monthly', 'pcm', 'p.c.m', 'pm', 'p.m', '/mth', '/mnth',
            '/monat', 'pro monat', 'monatlich', 'mtl', '/mois', 'par mois', 'mensuel', 'cc/mois', '/mes',
            'al mes', 'por mes', 'mensual', 'mensuales', '/mês', 'por mês', 'mensal', '/mese', 'al mese', 'mensili',
            'per maand', '/maand', 'p/m', '/mnd', 'p/mnd', 'per mnd', 'pr mnd', 'pr. måned', 'pr måned', '/md',
            'per måned', '/måned', '/mån', '/månad', 'per månad', '/kk', 'kuukaudessa', '/mies', '/mc', 'miesięcznie', 'za miesiąc',
            '/miesiąc', '/měsíc', 'za měsíc', 'měsíčně', '/mesiac', '/mesec', 'mesačne', '/hó', '/hónap', 'havonta', '/lună',
            'pe lună', '/luna', 'в месяц', '/мес', '/месяц', 'в мес', 'мес', 'на місяць', '/міс', '/місяць', 'на месец', '/месец', 'mjesečno',
            'mesečno', '/ay', 'aylık', 'τον μήνα', '/μήνα', 'شهرياً', 'شهري', 'شهريا', 'ماهانه', 'לחודש', '/tháng',
            '/mēn', 'mēnesī', '/mėn', 'per mėnesį', '/kuu', 'kuus', 'за месяц',
            'mỗi tháng', '/bulan', 'per bulan', '/bln', 'sebulan', '/เดือน', 'ต่อเดือน', '/月', '月額', '每月', '월세', '매월',
        ],
        'week': [
            'week', 'per week', '/week', '/wk', 'a week', 'weekly', 'pw', 'p.w', 'p/w', 'pro woche', '/woche',
            'par semaine', '/semaine', 'por semana', '/semana', 'a la semana', 'alla settimana', '/settimana',
            'per uge', '/vecka', 'týdně', 'tygodniowo', 'в неделю', '/нед', '/неделю', 'haftalık', 'أسبوعياً', '/viikko',
        ],
        'year': [
            'year', 'per year', '/year', '/yr', 'a year', 'yearly', 'annually', 'per annum', 'pa', 'p.a', '/annum',
            'pro jahr', '/jahr', 'jährlich', 'par an', '/an', 'annuel', 'al año', '/año', 'anual', 'por ano', '/ano',
            "all'anno", '/anno', 'per jaar', '/jaar', 'p/j', 'per år', '/år', '/rok', 'rocznie', 'za rok', 'ročně',
            '/év', 'в год', '/год', '/yıl', 'yıllık', 'سنوياً', 'سنوي', 'سنويا', 'سالانه', '/năm', 'per tahun', '/tahun',
            '/thn', '/ปี', 'ต่อปี', '/年', '每年',
        ],
        'day': [
            'day', 'per day', '/day', 'daily', 'a day', 'pro tag', '/tag', 'par jour', '/jour', 'por día', '/día', 'al día',
            'por dia', '/dia', 'al giorno', '/giorno', 'per dag', '/dag', 'za dzień', '/doba', 'za den', '/den', 'в сутки',
            'за сутки', '/сут', '/сутки', 'за добу', '/добу', 'günlük', '/gün', 'يومياً', 'يومي', '/ngày', '/hari', '/วัน', '/日', '每天',
        ],
        'night': [
            'night', 'per night', '/night', 'nightly', 'a night', 'pro nacht', '/nacht', 'par nuit', '/nuit', '/nuitée', 'por noche',
            '/noche', 'a notte', '/notte', 'per natt', '/natt', 'za noc', '/noc', 'за ночь', '/gece', 'gecelik', '/晚', '/泊',
        ],
    }) %}
{% endmacro %}

{#- Words before a price that is no longer asked. Small letters. -#}
{% macro earlier_price_words() %}
    {% do return({'': [
        'was', 'previously', 'instead of', 'reduced from', 'statt', 'au lieu de', 'antes', 'de:', 'zamiast',
    ]}) %}
{% endmacro %}

{#- Words that head a price and say nothing of it. Small letters. -#}
{% macro price_headings() %}
    {% do return({'': [
        'price', 'asking price', 'asking', 'sale price', 'list price', 'rent', 'only', 'now', 'reduced to', 'ca', 'approx',
        'preis', 'kaufpreis', 'kaltmiete', 'warmmiete', 'miete', 'prix', 'prix de vente', 'loyer', 'precio', 'preço',
        'prezzo', 'prijs', 'vraagprijs', 'koopprijs', 'k.k', 'v.o.n', 'cena', 'czynsz', 'pris', 'prisantydning', 'hinta',
        'ár', 'vételár', 'preț', 'цена', 'ціна', 'стоимость', 'fiyat', 'τιμή', 'السعر', 'harga', 'giá', 'ราคา', '価格',
        '售价', '总价', '售價', '매매', '전세', '매매가', 'venta', 'vente', 'fai', 'hai', 'h.a.i', 'f.a.i', 'cc', 'hc', 'por',
    ]}) %}
{% endmacro %}
