{#-
    A regular expression that finds any of the words, whatever they mean; the longest at a place wins. A blank in a
    word stands for an optional dot and blank: 'sq ft' finds 'sqft' and 'sq. ft'. No letter may stand before a word that
    begins with one, or behind a word that ends with one, but in the scripts from Thai on, which part no words. Words
    are grouped by their first character, since PostgreSQL tries every branch at every place.
-#}
{% macro any_word(meanings) -%}
{#- One letter of the scripts that part words. -#}
{%- set letter = '[A-Za-zÀ-෿Ḁ-῿]' -%}
{%- set words = meanings.values() | sum(start=[]) -%}
{%- set split_words = [] -%}
{%- for word in words -%}
    {%- do split_words.append(word[0] ~ '\t' ~ word[1:]) -%}
{%- endfor -%}
{%- set literals = _literal(split_words | join('\n')).split('\n') -%}
{%- set by_ends = {} -%}
{%- for word in words -%}
    {%- set parts_words = [] -%}
    {%- for end in (word[0], word[-1]) -%}
        {%- do parts_words.append(end.isalpha() and (end < '\u0e00' or '\u1e00' <= end < '\u2000')) -%}
    {%- endfor -%}
    {%- set before = '(?<!' ~ letter ~ ')' if parts_words[0] else '' -%}
    {%- set behind = '(?!\\.?' ~ letter ~ ')' if parts_words[1] else '' -%}
    {%- set first, rest = literals[loop.index0].split('\t') -%}
    {%- do by_ends.setdefault((before, behind), {}).setdefault(first, []).append(rest) -%}
{%- endfor -%}
{%- for (before, behind), by_first in by_ends.items() -%}
{{ '|' if not loop.first }}{{ before }}(?:
    {%- for first, rests in by_first.items() -%}
{{ '|' if not loop.first }}{{ first }}{{ '(?:' ~ rests | join('|') ~ ')' if rests | length > 1 else rests[0] }}
    {%- endfor -%}
){{ behind }}
{%- endfor -%}
{%- endmacro %}

{#- The text as a regular expression, for a string constant of SQL; a few calls for many words, which costs least. -#}
{% macro _literal(text) -%}
{%- set escaped = namespace(text=text) -%}
{%- for character in ['\\', '.', '$', '+', '*', '?', '(', ')', '[', ']', '{', '}', '|', '^'] -%}
    {%- set escaped.text = escaped.text | replace(character, '\\' ~ character) -%}
{%- endfor -%}
{{ escaped.text | replace(' ', '\\.? ?') | replace('/', '/ ?') | replace("'", "''") }}
{%- endmacro %}

{#- What a word found by `any_word` means, as text; NULL where none was found. -#}
{% macro meaning_of(word, meanings) -%}
{{ meanings_by_word(meanings) }} ->> {{ word_key(word) }}
{%- endmacro %}

{#- The words as one JSON object with their meanings; its keys have neither dots nor blanks. -#}
{% macro meanings_by_word(meanings) -%}
{%- set entries = [] -%}
{%- for meaning, words in meanings.items() -%}
    {%- for word in words -%}
        {%- set key = word | replace('.', '') | replace(' ', '') | replace('"', '\\"') | replace("'", "''") -%}
        {%- do entries.append('"' ~ key ~ '":"' ~ meaning ~ '"') -%}
    {%- endfor -%}
{%- endfor -%}
'{{ '{' }}{{ entries | join(',') }}{{ '}' }}'::jsonb
{%- endmacro %}

{#- The key under which the meaning of a word stands. -#}
{% macro word_key(word) -%}
translate({{ word }}, '. ', '')
{%- endmacro %}

{#-
    Text in one notation: digits of other scripts, wide signs, dashes and spaces of every kind become the plain ones,
    marks of direction vanish. '１．２億円' -> '1.2億円'; '٣٥٠٬٠٠٠' -> '350,000'.
-#}
{% macro plain_text(text) -%}
translate(
    {{ text }},
    E'\u00a0\u2009\u202f\u2007\u3000\n\r\t\u2019\u02bc\u00b4\u2212\u2013\u2014\u2010\u2011\u301c\uff5e~\u066b\uff0e\u066c\uff0c\u060c'
    || '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹０１２３４５６７８９०१२३४५६७८९'
    || E'\uffe5\uff04\uff0f\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2069',
    E'        \'\'\'--------..,,,'
    || '0123456789012345678901234567890123456789'
    || '¥$/'
)
{%- endmacro %}
