"""Spanish."""

import re

from transforms.text.verbalise import Reading
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

MONTHS = "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()


def cardinal(number: int, gender: Gender) -> Readings:
    """``21`` -> veintiuno | veintiún | veintiuna; ``200`` -> doscientos | doscientas."""
    plain = in_words(number, "es")
    plain = re.sub(r"\bveintiuno(?= mil)", "veintiún", plain)
    plain = re.sub(r"\buno(?= mil)", "un", plain)
    before_noun = re.sub(r"\buno$", "un", re.sub(r"veintiuno$", "veintiún", plain))
    head, scale, tail = plain.rpartition("llones ")
    feminine = head + scale + re.sub(r"ientos\b", "ientas", re.sub(r"uno$", "una", tail))
    if gender:
        return (words(feminine if gender == "f" else before_noun),)
    return unique(words(plain), words(before_noun), words(feminine))


def ordinal(number: int, ending: str) -> Readings:
    if number == 0 or number > 9999:
        return cardinal(number, "")
    masculine = in_words(number, "es", "ordinal")
    masculine = re.sub(r"^(vigésimo) ?(\w+)$", r"\1 \2", masculine).replace("décimo primero", "undécimo")
    short = re.sub(r"(primer|tercer)o$", r"\1", masculine)
    feminine = " ".join(re.sub(r"o$", "a", word) for word in masculine.split())
    mark = ending.lower().strip(".")
    if mark in ("er",):
        return unique(words(short), *cardinal(number, "m"))
    if mark.endswith("a") or mark == "ª":
        return unique(words(feminine), *cardinal(number, "f"))
    return unique(words(masculine), words(short), *cardinal(number, ""))


def date(day: int, month: int, year: str) -> Readings:
    days = unique(*(words("primero"),) * (day == 1), *cardinal(day, "")[:1])
    years = _years(year)
    name = MONTHS[month - 1]
    full: list[Reading] = [(*first, "de", name, "de", *last) for first in days for last in years]
    return unique(*full, *((*days[0], "de", name, "del", *last) for last in years), (*days[0], name, *years[0]))


def _years(year: str) -> Readings:
    number = int(year)
    return (
        cardinal(number, "")[:1] if len(year) == 4 else unique(cardinal(2000 + number, "")[0], cardinal(number, "")[0])
    )


def clock(hour: int, minute: int) -> Readings:
    """``10:05`` -> diez y cinco | diez cero cinco | diez horas cinco minutos; ``10:30`` -> diez y media."""
    hours = cardinal(hour, "f")[0]
    if minute == 0:
        unit = "hora" if hour == 1 else "horas"
        return unique(hours, (*hours, "en", "punto"), (*hours, unit), (*hours, "cero", "cero"))
    minutes = cardinal(minute, "")[0]
    apart = (*hours, *(("cero",) if minute < 10 else ()), *minutes)
    joined = (*hours, "y", *minutes)
    long = (*hours, "hora" if hour == 1 else "horas", *cardinal(minute, "m")[0], "minuto" if minute == 1 else "minutos")
    found = {15: [(*hours, "y", "cuarto")], 30: [(*hours, "y", "media")]}.get(minute, [])
    if minute > 30:
        following = cardinal(hour % 12 + 1, "f")[0]
        rest = ("cuarto",) if minute == 45 else cardinal(60 - minute, "")[0]
        return unique(apart, joined, (*following, "menos", *rest), long)
    return unique(*found, joined, apart, long)


def roman(number: int, match: re.Match[str]) -> Readings:
    spoken = ordinal(number, "º")[:1] if number <= 10 else ()
    before = match.string[: match.start()].rstrip().lower()
    counted = cardinal(number, "")[:1]
    return unique(*counted, *spoken) if before.endswith(("siglo", "siglos", "capítulo")) else unique(*spoken, *counted)


def power(minus: Reading, number: int) -> Readings:
    """``10⁴`` -> a la cuarta | elevado a cuatro."""
    counted = (*minus, *cardinal(number, "")[0])
    named = () if minus or number > 10 else (("a", "la", *ordinal(number, "ª")[0]),)
    return (*named, ("elevado", "a", *counted), ("a", "la", *counted))


LOCALE = Locale(
    code="es",
    cardinal=cardinal,
    ordinal=ordinal,
    ordinal_endings=r"\.?[ºª]|\.?(?:er|ero|era|do|da|ro|ra|to|ta|mo|ma|vo|va|no|na)\b",
    form=one_or_many,
    decimal_form=always_many,
    point=("coma", "punto"),
    decimals_by_digit=False,
    groups=".'",
    date=date,
    clock=clock,
    clock_patterns=(
        r"(?P<h>\d{1,2})[:.](?P<m>\d\d)\s?(?:hrs?\.?|horas?|h)(?![^\W_])",
        r"(?P<h>\d{1,2})\s?(?P<m>)hrs?\b",
    ),
    minus="menos",
    plus="más",
    to=("a", "al", ""),
    money_joins=("con", "y", ""),
    scales=nouns(
        """mil | m | mil | mil
        millón millon millones | m | millón | millones
        mil_millones | m | mil millón | mil millones
        billón billon billones | m | billón | billones"""
    ),
    link="de ",
    of=lambda name: ("de", *words(name)),
    over="sobre",
    fractions=entries(
        """1/2 | un medio; medio; media
        1/3 | un tercio
        2/3 | dos tercios
        1/4 | un cuarto
        3/4 | tres cuartos
        1/5 | un quinto
        1/8 | un octavo
        1/10 | un décimo"""
    ),
    shares=entries(
        """1/2 m | medio; un medio
        1/2 f | media; una media"""
    ),
    power=power,
    mixed=entries(
        """1/2 | y medio; y media
        1/2 f | y media; y medio
        1/3 | y un tercio
        2/3 | y dos tercios
        1/4 | y cuarto; y un cuarto
        3/4 | y tres cuartos"""
    ),
    noun_before_fraction=True,
    currencies=currencies(
        """€ EUR | m euro euros | m céntimo céntimos
        $ USD US$ | m dólar dólares | m centavo centavos
        £ GBP | f libra libras | m penique peniques
        ¥ JPY | m yen yenes | m sen senes
        MXN | m peso pesos | m centavo centavos"""
    ),
    units=nouns(
        """% | m | por ciento | por ciento
        ‰ | m | por mil | por mil
        °C ºC | m | grado celsius | grados celsius
        °F ºF | m | grado fahrenheit | grados fahrenheit
        ° | m | grado | grados
        mm | m | milímetro | milímetros
        cm | m | centímetro | centímetros
        m | m | metro | metros
        km Km | m | kilómetro | kilómetros
        m² m2 | m | metro cuadrado | metros cuadrados
        km² km2 | m | kilómetro cuadrado | kilómetros cuadrados
        m³ m3 | m | metro cúbico | metros cúbicos
        km/h | m | kilómetro por hora | kilómetros por hora
        m/s | m | metro por segundo | metros por segundo
        mg | m | miligramo | miligramos
        g gr | m | gramo | gramos
        kg Kg | m | kilogramo | kilogramos
        t | f | tonelada | toneladas
        ml | m | mililitro | mililitros
        cl | m | centilitro | centilitros
        l L | m | litro | litros
        ha | f | hectárea | hectáreas
        ms | m | milisegundo | milisegundos
        s seg | m | segundo | segundos
        min | m | minuto | minutos
        h | f | hora | horas
        Hz | m | hercio | hercios
        kHz | m | kilohercio | kilohercios
        MHz | m | megahercio | megahercios
        GHz | m | gigahercio | gigahercios
        KB kB | m | kilobyte | kilobytes
        MB | m | megabyte | megabytes
        GB | m | gigabyte | gigabytes
        TB | m | terabyte | terabytes
        Mbps | m | megabit por segundo | megabits por segundo
        W | m | vatio | vatios
        kW | m | kilovatio | kilovatios
        kWh | m | kilovatio hora | kilovatios hora
        V | m | voltio | voltios"""
    ),
    symbols=entries(
        """& | y; ampersand
        @ | arroba
        + | más
        = | igual a; es igual a
        * | asterisco; por; estrella;
        % | por ciento
        ‰ | por mil
        ° | grados
        € | euros
        $ | dólares
        £ | libras
        # | almohadilla; número; numeral; gato
        § | sección; párrafo
        × | por
        ÷ | entre; dividido por
        ± | más menos; más o menos
        ² | al cuadrado
        ³ | al cubo
        ½ | un medio; medio; y medio; y media
        ¼ | un cuarto; y cuarto
        ¾ | tres cuartos
        / | ; barra; o; por"""
    ),
    abbreviations=entries(
        """sr | señor
        sra | señora
        srta | señorita
        sres | señores
        dr | doctor
        dra | doctora
        prof | profesor
        profa | profesora
        d | don
        dña | doña
        ud | usted
        uds | ustedes
        vd | usted
        lic | licenciado; licenciada
        ing | ingeniero; ingeniera
        gral | general
        sto | santo
        sta | santa
        av | avenida
        avda | avenida
        c | calle
        pza | plaza
        ctra | carretera
        núm | número
        pág | página
        págs | páginas
        tel | teléfono
        ext | extensión
        etc | etcétera
        aprox | aproximadamente
        cía | compañía
        dpto | departamento
        art | artículo
        vol | volumen
        cap | capítulo
        máx | máximo
        mín | mínimo"""
    ),
    phrases=entries(
        """p.ej. | por ejemplo
        ee.uu. | estados unidos
        a.c. | antes de cristo
        d.c. | después de cristo
        n.º | número
        nº | número
        n° | número
        s.a. | ese a; sociedad anónima
        s.l. | ese ele; sociedad limitada
        c/ | calle; con"""
    ),
    letters=letter_names(
        """a:a b:be c:ce d:de e:e f:efe g:ge h:hache i:i j:jota k:ka l:ele m:eme n:ene ñ:eñe o:o p:pe q:cu r:erre s:ese
        t:te u:u v:uve w:uve_doble x:equis y:ye z:zeta á:a é:e í:i ó:o ú:u ü:u"""
    ),
    plural="s",
    vowels="aeiouyáéíóúü",
    capitals=frozenset(
        """a al de del el en es ha la las le les lo los me mi mis no o os que se si sí sin son su sus te tu tus tú un
        una
        uno y ya yo él e u por con más muy hoy eso fin otan onu unesco ovni sida ave iva pin renfe nasa opep ong pyme
        láser radar wifi usa""".split()
    ),
    web={".": "punto", "/": "barra", "-": "guion", "_": "guion bajo", "@": "arroba", ":": "dos puntos", "+": "más"},
    www=readings("uve doble uve doble uve doble; tres uves dobles; triple uve doble"),
    domains="es|mx|ar|cl|cat",
    phone_patterns=(
        r"[6-9]\d{2} \d{3} \d{3}",
        r"[6-9]\d{2}(?:[ .-]\d\d){3}",
        r"[6-9]\d{2}-\d{3}-\d{3}",
        r"\d{2} \d{4} \d{4}",
        r"\d{3}-\d{4}",
    ),
    phone_in_groups=True,
    roman=roman,
)

LANGUAGE = language(LOCALE)
