"""Spanish."""

import re

from transforms.text.verbalise_es_numbers import cardinal, clock, date, governed, ordinal, power, roman
from transforms.text.verbalise_locale import (
    Locale,
    always_many,
    currencies,
    entries,
    letter_names,
    nouns,
    one_or_many,
    readings,
    words,
)
from transforms.text.verbalise_rules import language

LOCALE = Locale(
    code="es",
    cardinal=cardinal,
    governed=governed,
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
        r"(?<=\blas )(?P<h>\d{1,2})\.(?P<m>\d\d)",
        r"(?P<h>\d{1,2})[:.](?P<m>\d\d)\s?(?:hrs?\.?|horas?|h)(?![^\W_])",
    ),
    minus="menos",
    plus="más",
    to=("a", "al", ""),
    ratio=("a", ""),
    per=("por",),
    hashtag="hashtag",
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
    feminine=re.compile(r"a$"),
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
        """€ EUR euro euros | m euro euros | m céntimo céntimos
        $ USD US$ dólar dólares | m dólar dólares | m centavo centavos
        £ GBP | f libra libras | m penique peniques
        ¥ JPY | m yen yenes | m sen senes
        MXN peso pesos | m peso pesos | m centavo centavos"""
    ),
    units=nouns(
        """% | m | por ciento | por ciento
        ‰ | m | por mil | por mil
        °C ºC | m | grado celsius | grados celsius
        °F ºF | m | grado fahrenheit | grados fahrenheit
        ° º | m | grado | grados
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
        h hr hrs | f | hora | horas
        Hz | m | hercio | hercios
        kHz | m | kilohercio | kilohercios
        MHz | m | megahercio | megahercios
        GHz | m | gigahercio | gigahercios
        KB kB | m | kilobyte | kilobytes
        MB | m | megabyte | megabytes
        GB | m | gigabyte | gigabytes
        TB | m | terabyte | terabytes
        Mbps | m | megabit por segundo | megabits por segundo
        M€ | m | millón de euros | millones de euros
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
        mín | mínimo
        hnos | hermanos
        vs | versus"""
    ),
    before_numbers=entries(
        """p | página
        pp | páginas
        s | siglo"""
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
        c/ | calle; con
        jj.oo. | juegos olímpicos
        rr.hh. | recursos humanos
        ff.aa. | fuerzas armadas
        c.p. | código postal
        a.m. | a eme
        p.m. | pe eme
        24/7 | veinticuatro siete"""
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
        r"[67]\d{8}",
        r"9\d \d{3} \d\d \d\d",
        r"\(\d{2,3}\) \d{3,4} \d{4}",
        r"[6-9]\d{2}(?:[ .-]\d\d){3}",
        r"[6-9]\d{2}-\d{3}-\d{3}",
        r"\d{2} \d{4} \d{4}",
        r"\d{3}-\d{4}",
    ),
    phone_in_groups=True,
    roman=roman,
)

LANGUAGE = language(LOCALE)
