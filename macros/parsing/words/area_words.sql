{#- Units of area by the square metres that one of them has. Small letters. -#}
{% macro area_unit_words() %}
    {% do return({
        '1': [
            'm²', 'm 2', 'm^2', '㎡', 'sq m', 'sq mt', 'sq mtr', 'sq metres', 'sq meters',
            'sq metre', 'sq meter', 'square metres', 'square meters', 'square metre', 'square meter', 'qm',
            'quadratmeter', 'mètres carrés', 'metros cuadrados', 'metros quadrados', 'metri quadri', 'metri quadrati',
            'mq', 'mts2', 'mt2', 'mts²', 'mt²', 'mtrs2', 'vierkante meter', 'kv m', 'kvadratmeter', 'neliötä', 'neliömetriä',
            'м²', 'м 2', 'кв м', 'кв метров', 'метр²', 'metrekare', 'τ.μ', 'τμ', 'متر مربع', 'متر', 'م²', 'م2', 'мкв',
            'מ"ר', 'מ״ר', '平米', '平方米', '平方公尺', '平方メートル', '제곱미터', 'ตร.ม', 'ตารางเมตร', 'négyzetméter', 'nm', 'mp', 'mp²',
            'metry', 'metrů', 'm kw',
        ],
        '0.09290304': [
            'sq ft', 'sq feet', 'sq foot', 'square feet', 'square foot', 'ft²', 'ft 2', 'sft', 'sf', 's.f',
            'pi²', 'pi2', 'pieds carrés', 'pies²', 'قدم مربع', 'قدم²', 'قدم', '平方呎', '呎', '平方英尺', 'ตร.ฟุต', 'kaki persegi', 'kp',
        ],
        '0.83612736': ['sq yd', 'sq yds', 'sq yard', 'sq yards', 'square yards', 'square yard', 'yd²', 'gaj', 'sqyrd'],
        '2589988.110336': ['sq mi', 'sq miles', 'square miles'],
        '1000000': ['km²', 'km2', 'sq km'],
        '4046.8564224': ['acre', 'acres', 'ac', 'акр', 'акров'],
        '10000': ['ha', 'hectare', 'hectares', 'hektar', 'hektarů', 'hektara', 'hectárea', 'hectáreas', 'ettari', 'hektaria', 'га', 'ხა', 'هكتار', 'هکتار', '公頃', '公顷', 'เฮกตาร์'],
        '100': ['ar', 'ares', 'are', 'árů', 'арів', 'соток', 'сотки', 'сотка', 'сотку', 'сот', 'sotka', 'sotok', 'tumbo'],
        '3.305785': ['坪', 'tsubo', 'ping', '평', 'pyeong', 'pyung'],
        '1.62': ['帖', '畳', 'jo'],
        '40.468564224': ['cent', 'cents'],
        '25.29285264': ['marla', 'marlas', 'مرله'],
        '505.8570528': ['kanal', 'kanals', 'کنال'],
        '4': ['ตร.ว', 'ตารางวา', 'sq wah', 'wah'],
        '400': ['งาน', 'ngan'],
        '1600': ['ไร่', 'rai'],
        '4200.8335': ['feddan', 'فدان'],
        '1000': ['dunam', 'dunams', 'dönüm', 'donum', 'دونم', 'דונם', 'στρέμμα', 'στρέμματα', 'stremma', 'dekar', 'daa', 'mål'],
        '5754.642': ['jutro', 'katastralno jutro'],
        '6987.4': ['manzana', 'manzanas'],
        '3930.395625': ['cuerda', 'cuerdas'],
        '24200': ['alqueire', 'alqueires'],
        '666.6666667': ['亩', '畝'],
    }) %}
{% endmacro %}
