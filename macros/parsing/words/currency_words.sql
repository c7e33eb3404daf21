{#- Signs and words by the currency they mean. Letters count as written: 'R' is a rand, 'r' is not. -#}
{% macro currency_words() %}
    {% set words = {
        'AED': ['AED', 'Dhs', 'DHS', 'د.إ', 'درهم'],
        'AMD': ['֏', 'драм'],
        'ARS': ['AR$'],
        'AUD': ['A$', 'AU$'],
        'AZN': ['₼', 'manat'],
        'BDT': ['৳', 'Tk'],
        'BGN': ['лв', 'лева'],
        'BOB': ['Bs'],
        'BRL': ['R$'],
        'CAD': ['C$', 'CA$', 'CDN$'],
        'CHF': ['Fr', 'SFr', 'sFr', 'Franken'],
        'CLF': ['UF'],
        'CLP': ['CLP$'],
        'CNY': ['RMB', 'CN¥'],
        'COP': ['COP$', 'COL$'],
        'CRC': ['₡'],
        'CZK': ['Kč', 'kč', 'KČ', 'Kc'],
        'DOP': ['RD$'],
        'DZD': ['DA', 'دج'],
        'EGP': ['ج.م', 'جنيه', 'E£', 'LE', 'L.E'],
        'EUR': ['€', 'euro', 'Euro', 'EURO', 'euros', 'Euros', 'eur', 'Eur', 'евро', 'ευρώ'],
        'GBP': ['£', 'gbp'],
        'GEL': ['₾', 'ლარი'],
        'GHS': ['GH₵', '₵', 'GH¢'],
        'HKD': ['HK$'],
        'HUF': ['Ft', 'ft', 'FT', 'forint'],
        'IDR': ['Rp', 'RP'],
        'ILS': ['₪', 'ש"ח'],
        'INR': ['₹', 'रु'],
        'IRR': ['ریال'],
        'JMD': ['J$'],
        'JPY': ['円', 'JP¥'],
        'KES': ['KSh', 'KSH', 'Ksh'],
        'KRW': ['₩', '원'],
        'KWD': ['د.ك'],
        'KZT': ['₸', 'тг', 'тенге'],
        'MAD': ['DH', 'Dh', 'د.م'],
        'MNT': ['₮'],
        'MXN': ['MX$', 'MN', 'M.N'],
        'MYR': ['RM'],
        'NGN': ['₦'],
        'NZD': ['NZ$'],
        'PEN': ['S/'],
        'PHP': ['₱', 'Php'],
        'PLN': ['zł', 'zl', 'ZŁ', 'Zł', 'złotych'],
        'PYG': ['₲', 'Gs'],
        'QAR': ['ر.ق'],
        'RON': ['lei', 'Lei', 'LEI'],
        'RSD': ['дин', 'din'],
        'RUB': ['₽', 'руб', 'рублей', 'р'],
        'SAR': ['ر.س', '﷼', 'SR'],
        'SGD': ['S$'],
        'THB': ['฿', 'บาท'],
        'TND': ['DT', 'د.ت'],
        'TRY': ['₺', 'TL'],
        'TTD': ['TT$'],
        'TWD': ['NT$'],
        'TZS': ['TSh', 'TSH'],
        'UAH': ['₴', 'грн', 'гривень'],
        'UGX': ['USh', 'USH'],
        'USD': ['US$', '$US', '$USD', 'U$S', 'U$D', 'U$', 'usd', 'у.е', 'долл'],
        'UYU': ['$U'],
        'UZS': ['сум', "so'm"],
        'VND': ['₫', 'đ', 'đồng', 'vnđ', 'VNĐ'],
        'ZAR': ['R'],
    } %}
    {% for code in _currency_codes() %}
        {% do words.update({code: words.get(code, []) + [code]}) if code not in words.get(code, []) %}
    {% endfor %}
    {% do return(words) %}
{% endmacro %}

{#- Signs that several currencies share, so that they say where the price is and not in what it is. -#}
{% macro shared_currency_signs() %}
    {% do return({'shared': ['$', '¥', 'kr', 'Kr', 'KR', 'Rs', 'rs', '₨', 'дол', '元', 'ريال', 'تومان', '〒']}) %}
{% endmacro %}

{#- Codes of the currencies that are written with a dollar sign, alone or beside letters. -#}
{% macro currencies_with_dollar_sign() %}
    {% do return((
        'ARS AUD BBD BMD BND BRL BSD BZD CAD CLP COP CUP CVE DOP FJD GYD HKD JMD KYD LRD MOP MXN NAD NIO NZD SBD SGD '
        'SRD TOP TTD TWD USD UYU WST XCD'
    ).split()) %}
{% endmacro %}

{#- Codes of ISO 4217 in circulation, CLF included, in which Chile's portals price. -#}
{% macro _currency_codes() %}
    {% do return((
        'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF '
        'CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD '
        'HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD '
        'MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN '
        'PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TRY '
        'TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG'
    ).split()) %}
{% endmacro %}
