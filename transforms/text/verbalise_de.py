"""German. Compounds are one word, as they are written."""

import re

from transforms.text.verbalise import Reading, Rule
from transforms.text.verbalise_locale import (
    Gender,
    Locale,
    Readings,
    always_many,
    currencies,
    entries,
    in_words,
    letter_names,
    nouns,
    one_or_many,
    readings,
    unique,
    words,
)
from transforms.text.verbalise_rules import language

MONTHS = "januar februar märz april mai juni juli august september oktober november dezember".split()
_MONTH = "|".join([*MONTHS, *(f"{month[:3]}\\." for month in MONTHS), "sept\\."])
_DATIVE = re.compile(r"\b(?:am|dem|den|des|der|im|vom|zum|beim|ab|seit|bis)\s+(?:\w+,?\s+)?(?:den\s+)?$", re.I)
_ARTICLE = re.compile(r"\b(?:der|die|das)\s+$", re.I)
_ANY_ARTICLE = re.compile(r"\b(?:der|die|das|dem|den|des|am|im|vom|zum|zur|beim|jede[rsnm]?)\s+$", re.I)


def cardinal(number: int, gender: Gender) -> Readings:
    """``1`` -> eins | ein | eine ...; ``100`` -> hundert | einhundert."""
    plain = in_words(number, "de")
    short = re.sub(r"\bein(?=hundert|tausend)", "", plain)
    if number == 1 and gender:
        return (("eine",),) if gender == "f" else (("ein",),)
    if number == 1:
        return tuple((word,) for word in "eins ein eine einen einem einer".split())
    spoken = "zwo" if number == 2 else plain
    return unique(words(short if number < 2000 else plain), words(plain), words(spoken))


def ordinal(number: int, ending: str) -> Readings:
    """``3.`` -> dritte | dritten | dritter | drittes."""
    stem = in_words(number, "de", "ordinal").lower()
    stem = re.sub(r"^ein(?=hundert|tausend)", "", stem)
    return tuple(words(stem + tail) for tail in ("", "n", "r", "s"))


def year(number: int) -> Readings:
    return (words(in_words(number, "de", "year")),) if 1100 <= number <= 1999 else ()


def date(day: int, month: int, written: str) -> Readings:
    number = int(written)
    if len(written) == 4:
        years = year(number) or cardinal(number, "")[:1]
    else:
        years = (cardinal(2000 + number, "")[0], cardinal(number, "")[0])
    days = [ordinal(day, ".")[place] for place in (1, 2, 0)]
    months = [(MONTHS[month - 1],), ordinal(month, ".")[2], ordinal(month, ".")[1]]
    named = [(*first, *name, *last) for name in months[:1] for first in days for last in years]
    return unique(*named, *((*first, *months[2], *years[0]) for first in days[:1]), (*days[1], *months[1], *years[0]))


def _day_of_month(match: re.Match[str]) -> Readings:
    """``am 3. Mai`` -> am dritten; ``der 3. Mai`` -> der dritte."""
    before = match.string[: match.start()]
    base, n, r, s = ordinal(int(match[1]), ".")
    if _ARTICLE.search(before):
        return (base, n, r, s)
    return (n, base, r, s) if _DATIVE.search(before) else (r, n, base, s)


def _ordinal_before_noun(match: re.Match[str]) -> Readings:
    """``der 2. Weltkrieg``; without an article the stop more likely ends a sentence."""
    before = match.string[: match.start()]
    base, n, r, s = ordinal(int(match[1]), ".")
    plain = cardinal(int(match[1]), "")
    if _ARTICLE.search(before):
        return (base, n, r, s, *plain)
    return (n, base, r, s, *plain) if _ANY_ARTICLE.search(before) else unique(*plain, base, r, n, s)


def _decade(match: re.Match[str]) -> Readings:
    """``90er`` -> neunziger; ``1990er`` -> neunzehnhundertneunziger."""
    number = int(match[1])
    said = (year(number) or cardinal(number, "")) if len(match[1]) == 4 else cardinal(number, "")[:1]
    return unique(*((*reading[:-1], f"{reading[-1]}er") for reading in said))


def clock(hour: int, minute: int) -> Readings:
    """``14:30`` -> vierzehn uhr dreißig | halb drei."""
    hours: Reading = (*cardinal(hour, "m")[0], "uhr")
    if minute == 0:
        return unique(hours, cardinal(hour, "")[0])
    minutes = cardinal(minute, "")[0]
    short = cardinal(hour % 12 or 12, "")[0]
    following = cardinal(hour % 12 + 1, "")[0]
    found: list[Reading] = [(*hours, *minutes)]
    if minute == 30:
        found.append(("halb", *following))
    elif minute in (15, 45):
        found += [("viertel", "nach", *short)] if minute == 15 else [("viertel", "vor", *following)]
        found += [("viertel", *following)] if minute == 15 else [("dreiviertel", *following)]
    elif minute < 30:
        found.append((*minutes, "nach", *short))
    else:
        found.append((*cardinal(60 - minute, "")[0], "vor", *following))
    return unique(*found, (*cardinal(hour, "")[0], *minutes))


def join_mixed(whole: Reading, tail: Reading) -> Reading:
    """zwei, einhalb -> zweieinhalb."""
    return (*whole[:-1], re.sub(r"eine?s?$", "ein", whole[-1]) + "".join(tail))


def roman(number: int, match: re.Match[str]) -> Readings:
    base, n, r, s = ordinal(number, ".")
    return unique(r, base, n, *cardinal(number, "")[:1], s)


LOCALE = Locale(
    code="de",
    cardinal=cardinal,
    ordinal=ordinal,
    ordinal_endings="tens?|te[nrsm]?|ste[nrsm]?",
    form=one_or_many,
    decimal_form=always_many,
    point=("komma", "punkt"),
    decimals_by_digit=True,
    groups=".'",
    date=date,
    year=year,
    clock=clock,
    clock_patterns=(r"(?P<h>\d{1,2})[:.](?P<m>\d\d)\s?(?:Uhr|h)(?![^\W_])", r"(?P<h>\d{1,2})(?P<m>)\s?Uhr(?![^\W_])"),
    minus="minus",
    plus="plus",
    to=("bis", ""),
    money_joins=("", "und"),
    scales=nouns(
        """tausend Tausend Tsd. | n | tausend | tausend
        Million Millionen Mio. Mio | f | million | millionen
        Milliarde Milliarden Mrd. Mrd | f | milliarde | milliarden
        Billion Billionen Bio. | f | billion | billionen"""
    ),
    of=lambda name: words(name),
    over="durch",
    fractions=entries(
        """1/2 | ein halb; einhalb; eine halbe; ein halber
        1/3 | ein drittel
        2/3 | zwei drittel
        1/4 | ein viertel
        3/4 | drei viertel
        1/5 | ein fünftel
        1/8 | ein achtel
        1/10 | ein zehntel"""
    ),
    shares=entries(
        """1/2 m | ein halber; einen halben; einem halben
        1/2 f | eine halbe; einer halben
        1/2 n | ein halbes; einem halben"""
    ),
    power=lambda minus, number: (("hoch", *minus, *cardinal(number, "")[0]),),
    mixed=entries(
        """1 1/2 | eineinhalb; anderthalb
        1/2 | einhalb
        1/3 | eindrittel
        2/3 | zweidrittel
        1/4 | einviertel
        3/4 | dreiviertel"""
    ),
    join_mixed=join_mixed,
    currencies=currencies(
        """€ EUR | m euro euro | m cent cent
        $ USD | m dollar dollar | m cent cent
        £ GBP | n pfund pfund | m penny pence
        ¥ JPY | m yen yen | m sen sen
        CHF | m franken franken | m rappen rappen"""
    ),
    units=nouns(
        """% | n | prozent | prozent
        ‰ | n | promille | promille
        °C | n | grad celsius | grad celsius
        °F | n | grad fahrenheit | grad fahrenheit
        ° | n | grad | grad
        mm | m | millimeter | millimeter
        cm | m | zentimeter | zentimeter
        m | m | meter | meter
        km | m | kilometer | kilometer
        m² m2 qm | m | quadratmeter | quadratmeter
        km² km2 | m | quadratkilometer | quadratkilometer
        m³ m3 | m | kubikmeter | kubikmeter
        km/h | m | kilometer pro stunde | kilometer pro stunde
        m/s | m | meter pro sekunde | meter pro sekunde
        mg | n | milligramm | milligramm
        g | n | gramm | gramm
        kg | n | kilogramm | kilogramm
        t | f | tonne | tonnen
        ml | m | milliliter | milliliter
        cl | m | zentiliter | zentiliter
        l L | m | liter | liter
        ha | m | hektar | hektar
        ms | f | millisekunde | millisekunden
        s Sek. sek | f | sekunde | sekunden
        min Min. | f | minute | minuten
        h Std. | f | stunde | stunden
        Hz | n | hertz | hertz
        kHz | n | kilohertz | kilohertz
        MHz | n | megahertz | megahertz
        GHz | n | gigahertz | gigahertz
        KB kB | n | kilobyte | kilobyte
        MB | n | megabyte | megabyte
        GB | n | gigabyte | gigabyte
        TB | n | terabyte | terabyte
        W | n | watt | watt
        kW | n | kilowatt | kilowatt
        kWh | f | kilowattstunde | kilowattstunden
        V | n | volt | volt
        PS | f | pe es | pe es"""
    ),
    symbols=entries(
        """& | und
        @ | at; klammeraffe
        + | plus; und
        = | gleich; ist gleich
        * | stern; sternchen; mal;
        % | prozent
        ‰ | promille
        ° | grad
        € | euro
        $ | dollar
        £ | pfund
        # | raute; nummer; hashtag
        § | paragraf
        × | mal
        ÷ | geteilt durch
        ± | plus minus
        ² | hoch zwei; quadrat
        ³ | hoch drei
        ½ | ein halb; einhalb; eine halbe
        ¼ | ein viertel
        ¾ | drei viertel
        / | ; schrägstrich; oder; pro"""
    ),
    abbreviations=entries(
        """hr | herr
        hrn | herrn
        fr | frau
        dr | doktor
        prof | professor
        dipl | diplom
        ing | ingenieur
        st | sankt; stück
        str | straße
        nr | nummer
        tel | telefon
        bzw | beziehungsweise
        usw | und so weiter
        etc | et cetera
        ca | circa
        evtl | eventuell
        ggf | gegebenenfalls
        inkl | inklusive
        zzgl | zuzüglich
        max | maximal
        min | mindestens; minuten
        mio | millionen; million
        mrd | milliarden; milliarde
        vgl | vergleiche
        abs | absatz
        art | artikel
        bd | band
        jh | jahrhundert
        jhd | jahrhundert
        geb | geboren
        gest | gestorben
        sog | so genannt; sogenannte
        allg | allgemein
        jan | januar
        feb | februar
        aug | august
        sept | september
        okt | oktober
        nov | november
        dez | dezember"""
    ),
    phrases=entries(
        """z.b. | zum beispiel
        d.h. | das heißt
        u.a. | unter anderem; und andere
        o.ä. | oder ähnliches
        s.o. | siehe oben
        s.u. | siehe unten
        v.chr. | vor christus
        n.chr. | nach christus
        u.s.w. | und so weiter
        i.d.r. | in der regel"""
    ),
    letters=letter_names(
        """a:a b:be c:ce d:de e:e f:ef g:ge h:ha i:i j:jot k:ka l:el m:em n:en o:o p:pe q:ku r:er s:es t:te u:u v:vau
        w:we
        x:ix y:ypsilon z:zett ä:ä ö:ö ü:ü ß:eszett"""
    ),
    plural="s",
    vowels="aeiouyäöü",
    capitals=frozenset(
        """ab als am an auf aus bei bin bis da das dem den der des die du ein er es für hat ich ihr im in ist ja man mit
        nach nein nicht nur ob oder sie so um und uns vom von vor was weg wer wie wir wo zu zum zur nato uno unesco nasa
        opec aids ufo bafög pin tüv din laser radar fifa uefa""".split()
    ),
    web={
        ".": "punkt",
        "/": "schrägstrich",
        "-": "minus",
        "_": "unterstrich",
        "@": "at",
        ":": "doppelpunkt",
        "+": "plus",
        "de": "de e",
        "ch": "ce ha",
    },
    www=readings("we we we"),
    domains="de|at|ch",
    phone_patterns=(r"0\d{2,4}[ /-]\d{2,}(?:[ -]\d{2,})*", r"\(0\d{2,4}\)[ /-]?\d{3,}(?:[ -]\d{2,})*", r"0\d{9,12}"),
    roman=roman,
    rules=(
        Rule(re.compile(rf"(?<![\d.,])([1-9]|[12]\d|3[01])\.(?=\s?(?:{_MONTH})(?![^\W_]))", re.I), _day_of_month),
        Rule(re.compile(r"(?<![\d.,:/-])(\d{1,3})\.(?=\s[A-ZÄÖÜa-zäöü])"), _ordinal_before_noun),
        Rule(re.compile(r"(?<!\d)'?(\d{2}|\d{4})er[ns]?\b"), _decade),
    ),
)

LANGUAGE = language(LOCALE)
