"""Italian. Numbers are one word, as they are written."""

import re

from transforms.text.verbalise_it_numbers import cardinal, clock, date, governed, of, ordinal, power, roman
from transforms.text.verbalise_locale import (
    Locale,
    always_many,
    currencies,
    entries,
    letter_names,
    nouns,
    one_or_many,
    readings,
)
from transforms.text.verbalise_rules import language

LOCALE = Locale(
    code="it",
    cardinal=cardinal,
    governed=governed,
    ordinal=ordinal,
    ordinal_endings=r"\.?[ºª°](?![CF])|esim[oaie]|[ao]",
    form=one_or_many,
    decimal_form=always_many,
    point=("virgola", "punto"),
    decimals_by_digit=False,
    groups=".'",
    date=date,
    clock=clock,
    clock_patterns=(
        r"(?:(?<=\bore )|(?<=\balle )|(?<=\bdalle ))(?P<h>\d{1,2})[.,](?P<m>\d\d)",
        r"(?P<h>\d{1,2})[:.](?P<m>\d\d)\s?h(?![^\W_])",
    ),
    minus="meno",
    plus="più",
    to=("a", ""),
    ratio=("a", ""),
    per=("per", "al"),
    hashtag="hashtag",
    money_joins=("e", "", "virgola"),
    scales=nouns(
        """mila | m | mila | mila
        milione milioni mln mln. | m | milione | milioni
        miliardo miliardi mld mld. | m | miliardo | miliardi"""
    ),
    link="di ",
    of=of,
    over="su",
    fractions=entries(
        """1/2 | un mezzo; mezzo; mezza
        1/3 | un terzo
        2/3 | due terzi
        1/4 | un quarto
        3/4 | tre quarti
        1/5 | un quinto
        1/8 | un ottavo
        1/10 | un decimo"""
    ),
    feminine=re.compile(r"a$"),
    shares=entries(
        """1/2 m | mezzo; un mezzo
        1/2 f | mezza; una mezza"""
    ),
    power=power,
    mixed=entries(
        """1/2 | e mezzo; e mezza
        1/2 f | e mezza; e mezzo
        1/3 | e un terzo
        2/3 | e due terzi
        1/4 | e un quarto
        3/4 | e tre quarti"""
    ),
    noun_before_fraction=True,
    currencies=currencies(
        """€ EUR euro | m euro euro | m centesimo centesimi
        $ USD dollaro dollari | m dollaro dollari | m centesimo centesimi
        £ GBP | f sterlina sterline | m penny pence
        ¥ JPY | m yen yen | m sen sen
        CHF franco franchi | m franco franchi | m centesimo centesimi"""
    ),
    units=nouns(
        """% | m | per cento | per cento
        ‰ | m | per mille | per mille
        °C | m | grado celsius | gradi celsius
        °F | m | grado fahrenheit | gradi fahrenheit
        ° º | m | grado | gradi
        mm | m | millimetro | millimetri
        cm | m | centimetro | centimetri
        m mt | m | metro | metri
        km Km | m | chilometro | chilometri
        m² m2 mq | m | metro quadrato | metri quadrati
        km² km2 | m | chilometro quadrato | chilometri quadrati
        m³ m3 | m | metro cubo | metri cubi
        km/h | m | chilometro all'ora | chilometri all'ora
        m/s | m | metro al secondo | metri al secondo
        mg | m | milligrammo | milligrammi
        g gr | m | grammo | grammi
        kg Kg | m | chilogrammo | chilogrammi
        t | f | tonnellata | tonnellate
        ml | m | millilitro | millilitri
        cl | m | centilitro | centilitri
        l L | m | litro | litri
        ha | m | ettaro | ettari
        ms | m | millisecondo | millisecondi
        s sec | m | secondo | secondi
        min | m | minuto | minuti
        h | f | ora | ore
        Hz | m | hertz | hertz
        kHz | m | chilohertz | chilohertz
        MHz | m | megahertz | megahertz
        GHz | m | gigahertz | gigahertz
        KB kB | m | kilobyte | kilobyte
        MB | m | megabyte | megabyte
        GB | m | gigabyte | gigabyte
        TB | m | terabyte | terabyte
        W | m | watt | watt
        kW | m | chilowatt | chilowatt
        kWh | m | chilowattora | chilowattora
        V | m | volt | volt"""
    ),
    symbols=entries(
        """& | e; e commerciale
        @ | chiocciola
        + | più
        = | uguale; uguale a
        * | asterisco; per; stella;
        % | per cento
        ‰ | per mille
        ° | gradi
        € | euro
        $ | dollari
        £ | sterline
        # | cancelletto; numero
        § | paragrafo
        × | per
        ÷ | diviso
        ± | più o meno
        ² | al quadrato; quadrato
        ³ | al cubo
        ½ | un mezzo; e mezzo; e mezza
        ¼ | un quarto; e un quarto
        ¾ | tre quarti
        / | ; barra; su; o"""
    ),
    abbreviations=entries(
        """sig | signor; signore
        sigg | signori
        dott | dottor; dottore
        dr | dottor; dottore
        prof | professor; professore
        ing | ingegner; ingegnere
        avv | avvocato
        rag | ragionier
        geom | geometra
        arch | architetto
        on | onorevole
        s | san
        ss | santi
        pag | pagina
        pagg | pagine
        num | numero
        tel | telefono
        ecc | eccetera
        etc | eccetera
        ca | circa
        es | esempio
        art | articolo
        vol | volume
        cap | capitolo
        sec | secolo
        min | minuti
        mln | milioni
        mld | miliardi
        int | interno
        cfr | confronta
        vs | versus"""
    ),
    before_numbers=entries(
        """p | pagina
        pp | pagine
        n | numero
        max | massimo"""
    ),
    phrases=entries(
        """sig.ra | signora
        sig.na | signorina
        dott.ssa | dottoressa
        prof.ssa | professoressa
        p.es. | per esempio
        a.c. | avanti cristo
        d.c. | dopo cristo
        n.° | numero
        n° | numero
        nº | numero
        p.zza | piazza
        c.so | corso
        s.p.a. | esse pi a; società per azioni
        s.r.l. | esse erre elle
        v.le | viale
        f.lli | fratelli
        on.le | onorevole
        24/7 | ventiquattro sette"""
    ),
    letters=letter_names(
        """a:a b:bi c:ci d:di e:e f:effe g:gi h:acca i:i j:i_lunga k:cappa l:elle m:emme n:enne o:o p:pi q:cu r:erre
        s:esse
        t:ti u:u v:vu w:doppia_vu x:ics y:ipsilon z:zeta à:a è:e é:e ì:i ò:o ù:u"""
    ),
    elisions="[LlDd]|[Uu]n|(?:[DdNn]e|[AaUu]|[Dd]a|[Ss]u|[Qq]ue)ll",
    vowels="aeiouyàèéìòù",
    capitals=frozenset(
        """a ad ai al che chi ci col con cui da dai dal dei del di due e ed fa fu gli ha hai ho i il in io la le lei
        lo lui
        ma me mi mia mio ne nei nel no noi non o od per più qua qui sa se sei si sia sì sono su sua sue sul suo tra tu
        tua tuo un una uno va vi voi è onu nato fiat iva aids nasa unesco ufo istat inps irpef rai pin sim fin oggi cap
        fifa uefa coni euro laser radar imu spa""".split()
    ),
    web={
        ".": "punto",
        "/": "barra",
        "-": "trattino",
        "_": "trattino basso",
        "@": "chiocciola",
        ":": "due punti",
        "+": "più",
    },
    www=readings("vu vu vu; tre vu; doppia vu doppia vu doppia vu"),
    domains="it|ch|sm",
    phone_patterns=(
        r"3\d{2}[ .-]?\d{3}[ .-]?\d{3,4}",
        r"0\d{1,3}[ /.-]\d{3,8}(?: \d{2,4})*",
        r"800[ -]\d{3}[ -]?\d{3}",
    ),
    roman=roman,
)

LANGUAGE = language(LOCALE)
