"""French, with the seventies and nineties of Belgium and Switzerland as further readings."""

import re

from transforms.text.verbalise import Rule
from transforms.text.verbalise_fr_numbers import cardinal, century, clock, date, form, height, of, ordinal, roman, year
from transforms.text.verbalise_locale import (
    Locale,
    currencies,
    entries,
    letter_names,
    nouns,
    readings,
    words,
)
from transforms.text.verbalise_rules import language

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
    clock_patterns=(r"(?P<h>\d{1,2})\s?[hH](?:\s?(?P<m>\d\d))?(?:\s?min\b)?(?![^\W_])",),
    minus="moins",
    plus="plus",
    to=("à", ""),
    ratio=("à", ""),
    per=("par", "au"),
    hashtag="hashtag",
    money_joins=("", "et"),
    scales=nouns(
        """mille | m | mille | mille
        million millions | m | million | millions
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
    feminine=re.compile(r"^(?:heure|journée|douzaine|livre|tonne|seconde|bouteille|page|année|finale|tasse|pomme)"),
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
        """€ EUR euro euros | m euro euros | m centime centimes
        $ USD dollar dollars | m dollar dollars | m cent cents
        £ GBP | f livre livres | m penny pence
        ¥ JPY | m yen yens | m sen sens
        CHF franc francs | m franc francs | m centime centimes"""
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
        k€ | m | mille euros | mille euros
        M€ | m | million d'euros | millions d'euros
        Md€ Mds€ | m | milliard d'euros | milliards d'euros
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
        bd | boulevard
        bld | boulevard
        rte | route
        tél | téléphone
        etc | et cetera
        env | environ
        éd | édition
        hab | habitants
        apr | après
        ext | extension
        cf | confer
        mgr | monseigneur
        cie | compagnie
        av | avenue; avant
        vs | versus"""
    ),
    before_numbers=entries(
        """p | page
        pp | pages
        vol | volume
        art | article
        chap | chapitre
        max | maximum
        min | minimum; minutes
        tel | téléphone"""
    ),
    titles=frozenset("Dr Pr St Ste Mgr".split()),
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
        s.v.p. | s'il vous plaît
        24h/24 | vingt quatre heures sur vingt quatre
        7j/7 | sept jours sur sept
        7/7 | sept sur sept
        24/7 | vingt quatre sept
        stp | s'il te plaît
        svp | s'il vous plaît
        rdv | rendez vous"""
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
    rules=(
        Rule(re.compile(r"(?<![\d,.])(\d)\s?m\s?(\d\d)(?![^\W_])"), height),
        Rule(re.compile(r"(?<![^\W_])([IVX]{1,7})(ers?|res?|èmes?|es?)(?![^\W_])"), century),
    ),
)

LANGUAGE = language(LOCALE)
