"""French, with the seventies and nineties of Belgium and Switzerland as further readings."""

import re

from transforms.text.verbalise import Reading, Rule
from transforms.text.verbalise_locale import (
    Gender,
    Locale,
    Noun,
    Readings,
    currencies,
    entries,
    in_words,
    letter_names,
    nouns,
    readings,
    unique,
    words,
)
from transforms.text.verbalise_numbers import roman_value
from transforms.text.verbalise_rules import language

MONTHS = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()


def cardinal(number: int, gender: Gender) -> Readings:
    """``21`` -> vingt et un | vingt et une; ``90`` -> quatre vingt dix | nonante."""
    plain = in_words(number, "fr")
    feminine = re.sub(r"\bun$", "une", plain)
    regional = _regional(plain)
    if gender == "f":
        return unique(words(feminine), words(_regional(feminine)))
    if gender:
        return unique(words(plain), words(regional))
    return unique(words(plain), words(feminine), words(regional))


def _regional(plain: str) -> str:
    """soixante et onze -> septante et un; quatre-vingt-douze -> nonante-deux."""
    teens = "dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf".split()
    ones = ["", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"]
    pairs = sorted(zip(teens, ones, strict=True), key=lambda pair: -len(pair[0]))
    for teen, one in pairs:
        link = " et " if one == "un" else "-" if one else ""
        plain = re.sub(rf"soixante(?: et |-){teen}\b", f"septante{link}{one}", plain)
        plain = re.sub(rf"quatre-vingt-{teen}\b", f"nonante{link}{one}", plain)
    return plain


def ordinal(number: int, ending: str) -> Readings:
    """``1er``, ``1re``, ``2e``, ``21e``; a plural sounds the same."""
    mark = ending.lower()
    plural = mark.endswith("s")
    mark = mark.removesuffix("s")
    if number == 1 and mark in ("er", "re", "ère", "e"):
        names: tuple[str, ...] = ("première", "premier") if mark in ("re", "ère") else ("premier", "première")
    elif number == 2 and mark in ("nd", "nde"):
        names = ("second",) if mark == "nd" else ("seconde",)
    else:
        names = (in_words(number, "fr", "ordinal"), *(("second", "seconde") if number == 2 else ()))
    return unique(*(words(name + "s" * plural) for name in names))


def year(number: int) -> Readings:
    """``1984`` -> mille neuf cent ... | dix neuf cent ..."""
    if not 1100 <= number <= 1999:
        return ()
    head, tail = divmod(number, 100)
    rest = words(in_words(tail, "fr")) if tail else ()
    return (cardinal(number, "m")[0], (*words(in_words(head, "fr")), "cent" if tail else "cents", *rest))


def date(day: int, month: int, written: str) -> Readings:
    days = unique(*(("premier",),) * (day == 1), cardinal(day, "m")[0])
    number = int(written)
    if len(written) == 4:
        years = year(number) or cardinal(number, "m")[:1]
    else:
        years = (cardinal(2000 + number, "m")[0], cardinal(number, "m")[0])
    return unique(*((*first, MONTHS[month - 1], *last) for first in days for last in years))


def clock(hour: int, minute: int) -> Readings:
    """``10h05`` -> dix heures cinq; ``12:30`` -> douze heures trente | midi et demi."""
    hours: Reading = (*cardinal(hour, "f")[0], "heure" if hour < 2 else "heures")
    noon = {0: ("minuit",), 12: ("midi",), 24: ("minuit",)}.get(hour)
    if minute == 0:
        return unique(hours, *((noon,) if noon else ()))
    minutes = cardinal(minute, "f")[0]
    starts = [hours, *([noon] if noon else [])]
    found: list[Reading] = [(*start, *minutes) for start in starts]
    for start in starts:
        if minute in (15, 30):
            found.append((*start, "et", "quart") if minute == 15 else (*start, "et", "demi" if noon else "demie"))
    if minute > 30:
        following = hour % 24 + 1
        rest = ("le", "quart") if minute == 45 else cardinal(60 - minute, "")[0]
        name = (*cardinal(following, "f")[0], "heure" if following < 2 else "heures")
        found.append((*name, "moins", *rest))
    return unique(*found, (*hours, *minutes, "minute" if minute == 1 else "minutes"))


def form(number: int, noun: Noun) -> str:
    return noun.one if number < 2 else noun.many


def roman(number: int, match: re.Match[str]) -> Readings:
    count, order = cardinal(number, "m")[:1], ordinal(number, "e")[:1]
    return unique(*count, *(ordinal(1, "er")[:1] if number == 1 else order))


def _century(match: re.Match[str]) -> Readings:
    """``XXe`` -> vingtième."""
    return ordinal(roman_value(match[1]), match[2])


def of(name: str) -> Reading:
    return (f"d'{name}",) if name[0] in "aeiouhéèê" else ("de", *words(name))


LOCALE = Locale(
    code="fr",
    cardinal=cardinal,
    ordinal=ordinal,
    ordinal_endings="ers?|res?|ères?|èmes?|emes?|ième|es?|nde?s?",
    form=form,
    decimal_form=form,
    point=("virgule", "point"),
    decimals_by_digit=False,
    groups=".'",
    date=date,
    year=year,
    clock=clock,
    clock_patterns=(r"(?P<h>\d{1,2})\s?[hH]\s?(?P<m>\d\d)?(?:\s?min\b)?(?![^\W_])",),
    minus="moins",
    plus="plus",
    to=("à", ""),
    money_joins=("", "et"),
    scales=nouns(
        """mille | m | mille | mille
        million millions M | m | million | millions
        milliard milliards Md Mds | m | milliard | milliards
        billion billions | m | billion | billions"""
    ),
    link="de |d'",
    of=of,
    over="sur",
    fractions=entries(
        """1/2 | un demi; une demie
        1/3 | un tiers
        2/3 | deux tiers
        1/4 | un quart
        3/4 | trois quarts
        1/5 | un cinquième
        1/8 | un huitième
        1/10 | un dixième"""
    ),
    shares=entries(
        """1/2 m | un demi; demi
        1/2 f | une demi; demi; une demie"""
    ),
    power=lambda minus, number: tuple(
        (*words(to), *minus, *cardinal(number, "m")[0]) for to in ("puissance", "à la puissance", "exposant")
    ),
    mixed=entries(
        """1/2 | et demi; et demie
        1/2 f | et demie; et demi
        1/3 | et un tiers; un tiers
        2/3 | et deux tiers; deux tiers
        1/4 | et quart; un quart; et un quart
        3/4 | et trois quarts; trois quarts"""
    ),
    noun_before_fraction=True,
    currencies=currencies(
        """€ EUR | m euro euros | m centime centimes
        $ USD | m dollar dollars | m cent cents
        £ GBP | f livre livres | m penny pence
        ¥ JPY | m yen yens | m sen sens
        CHF | m franc francs | m centime centimes"""
    ),
    units=nouns(
        """% | m | pour cent | pour cent
        ‰ | m | pour mille | pour mille
        °C | m | degré celsius | degrés celsius
        °F | m | degré fahrenheit | degrés fahrenheit
        ° | m | degré | degrés
        mm | m | millimètre | millimètres
        cm | m | centimètre | centimètres
        m | m | mètre | mètres
        km | m | kilomètre | kilomètres
        m² m2 | m | mètre carré | mètres carrés
        km² km2 | m | kilomètre carré | kilomètres carrés
        m³ m3 | m | mètre cube | mètres cubes
        km/h | m | kilomètre heure | kilomètres heure
        m/s | m | mètre par seconde | mètres par seconde
        mg | m | milligramme | milligrammes
        g | m | gramme | grammes
        kg | m | kilogramme | kilogrammes
        t | f | tonne | tonnes
        ml | m | millilitre | millilitres
        cl | m | centilitre | centilitres
        l L | m | litre | litres
        ha | m | hectare | hectares
        ms | f | milliseconde | millisecondes
        s | f | seconde | secondes
        min mn | f | minute | minutes
        Hz | m | hertz | hertz
        kHz | m | kilohertz | kilohertz
        MHz | m | mégahertz | mégahertz
        GHz | m | gigahertz | gigahertz
        Ko ko kB | m | kilooctet | kilooctets
        Mo MB | m | mégaoctet | mégaoctets
        Go GB | m | gigaoctet | gigaoctets
        To TB | m | téraoctet | téraoctets
        W | m | watt | watts
        kW | m | kilowatt | kilowatts
        kWh | m | kilowatt heure | kilowatts heure
        V | m | volt | volts"""
    ),
    symbols=entries(
        """& | et; esperluette
        @ | arobase
        + | plus
        = | égale; égal
        * | étoile; astérisque; fois;
        % | pour cent
        ‰ | pour mille
        ° | degrés
        € | euros
        $ | dollars
        £ | livres
        # | dièse; numéro
        § | paragraphe
        × | fois; par
        ÷ | divisé par
        ± | plus ou moins
        ² | au carré
        ³ | au cube
        ½ | un demi; et demi; et demie
        ¼ | un quart; et quart
        ¾ | trois quarts
        / | ; barre oblique; sur; slash; ou"""
    ),
    abbreviations=entries(
        """m | monsieur
        mm | messieurs
        mme | madame
        mlle | mademoiselle
        dr | docteur
        pr | professeur
        st | saint
        ste | sainte
        av | avenue
        bd | boulevard
        bld | boulevard
        rte | route
        tél | téléphone
        tel | téléphone
        etc | et cetera
        env | environ
        p | page
        pp | pages
        vol | volume
        chap | chapitre
        art | article
        éd | édition
        max | maximum
        min | minimum
        hab | habitants
        apr | après
        av | avant; avenue
        ext | extension
        cf | confer"""
    ),
    phrases=entries(
        """p.ex. | par exemple
        par ex. | par exemple
        c.-à-d. | c'est à dire
        av.j.-c. | avant jésus christ
        apr.j.-c. | après jésus christ
        n° | numéro
        nº | numéro
        mme | madame
        mlle | mademoiselle
        s.v.p. | s'il vous plaît"""
    ),
    letters=letter_names(
        """a:a b:bé c:cé d:dé e:e f:effe g:gé h:ache i:i j:ji k:ka l:elle m:emme n:enne o:o p:pé q:ku r:erre s:esse t:té
        u:u v:vé w:double_vé x:ixe y:i_grec z:zède é:é è:è ê:ê à:a â:a ç:cé î:i ï:i ô:o ù:u û:u ü:u ë:e œ:œ"""
    ),
    elisions="[cdjlmnstCDJLMNST]|[Qq]u|[Jj]usqu|[Ll]orsqu|[Pp]uisqu",
    vowels="aeiouyàâéèêëîïôùûüœ",
    capitals=frozenset(
        """a à au aux ce ces ci de des du elle en est et eu il ils je la là le les leur lui ma mais me mes mon ne ni non
        nos on ou où par pas plus pour qu que qui sa sans se ses si son sont sur ta te tes toi ton tu un une va vos vous
        y ô otan onu unesco sida ovni nasa opep smic insee fifa uefa radar laser cnil inra pin fin oui cedex""".split()
    ),
    web={
        ".": "point",
        "/": "barre oblique",
        "-": "tiret",
        "_": "tiret bas",
        "@": "arobase",
        ":": "deux points",
        "+": "plus",
    },
    www=readings("trois double vé; double vé double vé double vé; triple double vé"),
    domains="fr|be|ch|qc|ca",
    phone_patterns=(r"0\d(?:[ .-]?\d\d){4}", r"0 ?8\d\d(?: \d{3}){2}", r"\d{3}-\d{3}-\d{4}", r"\d{3}-\d{4}"),
    phone_in_groups=True,
    roman=roman,
    rules=(Rule(re.compile(r"(?<![^\W_])([IVX]{1,7})(ers?|res?|èmes?|es?)(?![^\W_])"), _century),),
)

LANGUAGE = language(LOCALE)
