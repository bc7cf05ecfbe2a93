"""The capacity model: pure functions of measured costs and stated assumptions.

Everything is counted per order: an order comes with the pages, searches, stock changes and further steps that
`Assumptions` says, and together they cost what `bundle` adds up. Each limit of a machine then says how many orders a
second it lets through; the lowest one is what breaks first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

DAYS_A_MONTH: Final = 30
DAYS_A_YEAR: Final = 365
GB: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor milliseconds of one request: of the market's process and of PostgreSQL."""

    market: float
    database: float

    def __mul__(self, times: float) -> "Cost":
        return Cost(self.market * times, self.database * times)

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.market + other.market, self.database + other.database)


@dataclass(frozen=True, slots=True)
class Measured:
    """What kept runs say. Bytes are of the database on disk with its indexes; None where nobody measured them."""

    cached: Cost
    """A public page that the gateway's memory cache answers."""
    detail: Cost
    listing: Cost
    search: Cost
    order: Cost
    bulk_line: Cost
    """Of the largest bulk order that was measured, divided by its lines."""
    stock_row: Cost
    sign_in: Cost
    market_mib: float
    servers_mib: float
    """Of the servers beside the market, PostgreSQL and Meilisearch, at 10,000 products or fewer."""
    over_http: float | None
    """At most so many times the cost in one process, with services as processes of their own."""
    hot_orders: float | None
    """Orders a second of one sku that 64 buyers want."""
    product_bytes: float | None
    order_bytes: float | None


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What nobody measured. Change one, run the command again."""

    cached_pages: float = 60
    """Public pages per order that the gateway's cache answers; with the next, of some 40 visits per order."""
    details: float = 40
    listings: float = 20
    searches: float = 40
    steps: float = 3
    """Accepting, shipping and paying an order; each is taken to cost as much as placing it, which is too much."""
    stock_rows: float = 4
    sign_ins: float = 0.5
    utilisation: float = 0.6
    """Of a core in the peak hour; above it, waiting grows faster than work."""
    contention: float = 0.03
    """The share of work that more cores do not divide (Amdahl)."""
    peak_hour: float = 0.1
    """The share of a day's orders that comes in its busiest hour."""
    orders_a_month: float = 2
    """Of one buyer."""
    hot_share: float = 0.05
    """The share of all orders that wants the same sku during a campaign."""
    memory_gib_per_core: float = 4
    disk_gb_per_core: float = 100
    disk_for_products: float = 0.4
    """The rest is for orders, the log of changes and backups."""
    disk_for_orders: float = 0.4
    disk_years: float = 1
    """How long the orders must find room before old ones go to an archive."""
    campaign: float = 10
    """What a campaign makes of an ordinary busiest hour; a region is counted with it."""
    max_connections: int = 200
    """What PostgreSQL is started with, here and in docker-compose.yml."""
    kept_connections: int = 20
    """For the worker, migrations and the operator."""
    pools: int = 6
    """Of one process that runs gateway and services: catalog and identity have two, vendors and orders one."""
    least_pool: int = 4
    """Connections a pool needs (ISHOP_DATABASE_POOL): below it, reads and writes of one service wait for each other."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one machine holds, with the market in `processes` processes."""

    cores: int
    processes: int
    limits: Mapping[str, float]
    """Orders a second that each limit lets through, the lowest first."""
    assumed: Assumptions
    products: float | None
    disk_gb_a_year: float | None
    memory_gib: float

    @property
    def breaks_first(self) -> str:
        """The name of the lowest limit."""
        return next(iter(self.limits))

    @property
    def breaks_next(self) -> str:
        """What would be the limit if the first were lifted."""
        return list(self.limits)[1]

    @property
    def orders(self) -> float:
        """Orders a second in the peak hour."""
        return self.limits[self.breaks_first]

    @property
    def requests(self) -> float:
        """Requests a second in the peak hour."""
        return self.orders * requests_per_order(self.assumed)

    @property
    def orders_a_day(self) -> float:
        """With quiet hours."""
        return orders_a_day(self.orders, self.assumed)

    @property
    def buyers(self) -> float:
        """Who order as often as is assumed."""
        return self.orders_a_day * DAYS_A_MONTH / self.assumed.orders_a_month


@dataclass(frozen=True, slots=True)
class Step:
    """One thing more that is split off, and what then is let through."""

    what: str
    machines: int
    orders: float
    """A second in the peak hour."""
    breaks_first: str


@dataclass(frozen=True, slots=True)
class Demand:
    """What a province or a nation asks for."""

    name: str
    people: float
    producers: float
    hotel_lines_a_day: float
    aid_packages: float
    """In one release."""
    buyers_share: float = 0.02
    """Of the people, who order; an assumption."""
    products_per_producer: float = 20
    """An assumption; the demo market has fewer."""
    lines_per_package: float = 5
    """Goods in one aid package; an assumption."""

    def scaled(self, name: str, people: float) -> "Demand":
        """The same market for as many people."""
        factor = people / self.people
        return Demand(
            name,
            people,
            self.producers * factor,
            self.hotel_lines_a_day * factor,
            self.aid_packages * factor,
            self.buyers_share,
            self.products_per_producer,
            self.lines_per_package,
        )


@dataclass(frozen=True, slots=True)
class Need:
    """What a demand takes: cores in the peak hour, and bytes."""

    demand: Demand
    orders_a_day: float
    orders: float
    """A second, in the busiest hour of a campaign."""
    requests: float
    market_cores: float
    primary_cores: float
    """Of the database for writes, which one primary must do."""
    reading_cores: float
    """Of the database for public reads, which replicas can share."""
    products: float
    products_gb: float | None
    orders_gb_a_year: float | None
    release_core_minutes: float
    """To order all packages of one release as bulk lines, market and database together, on one core."""


def pages(measured: Measured, assumed: Assumptions) -> Cost:
    """The public reads that come with one order."""
    return (
        measured.cached * assumed.cached_pages
        + measured.detail * assumed.details
        + measured.listing * assumed.listings
        + measured.search * assumed.searches
    )


def writes(measured: Measured, assumed: Assumptions) -> Cost:
    """One order, its further steps and the stock that is counted for it."""
    return measured.order * (1 + assumed.steps) + measured.stock_row * assumed.stock_rows


def bundle(measured: Measured, assumed: Assumptions) -> Cost:
    """Everything that comes with one order."""
    return pages(measured, assumed) + writes(measured, assumed) + measured.sign_in * assumed.sign_ins


def requests_per_order(assumed: Assumptions) -> float:
    """How many requests a bundle is; rows of stock come in batches and are not counted."""
    reads = assumed.cached_pages + assumed.details + assumed.listings + assumed.searches
    return reads + 1 + assumed.steps + assumed.sign_ins


def effective_cores(cores: int, contention: float) -> float:
    """Amdahl: what so many cores do together, in cores."""
    return cores / (1 + contention * (cores - 1))


def orders_a_day(peak: float, assumed: Assumptions) -> float:
    """A day whose busiest hour has so many orders a second."""
    return peak * 3600 / assumed.peak_hour


def capacity(measured: Measured, assumed: Assumptions, cores: int, processes: int | None = None) -> Capacity:
    """What a machine with so many cores holds. Without a number of processes it runs as many as it can use."""
    whole = bundle(measured, assumed)
    # Passwords are hashed on threads beside the event loop.
    loop = pages(measured, assumed) + writes(measured, assumed)
    of_cores = effective_cores(cores, assumed.contention) * assumed.utilisation * 1000 / (whole.market + whole.database)
    of_loop = assumed.utilisation * 1000 / loop.market
    connected = (assumed.max_connections - assumed.kept_connections) // (assumed.pools * assumed.least_pool)
    wanted = ceil(of_cores / of_loop)
    running = max(1, min(wanted, connected)) if processes is None else processes
    memory = assumed.memory_gib_per_core * cores * 1024
    room = (memory - measured.servers_mib) / measured.market_mib
    limits = {
        "cores": of_cores,
        # Where both are as low, it is for want of connections that there are no more loops.
        "connections": of_loop * connected,
        "event loops": of_loop * running,
        "memory": of_loop * max(0.0, room),
    }
    if measured.hot_orders is not None:
        limits["hot sku"] = measured.hot_orders * assumed.utilisation / assumed.hot_share
    disk = assumed.disk_gb_per_core * cores
    if measured.order_bytes is not None:
        daily = disk * assumed.disk_for_orders * GB / measured.order_bytes / assumed.disk_years / DAYS_A_YEAR
        limits["disk"] = daily * assumed.peak_hour / 3600
    limits = dict(sorted(limits.items(), key=lambda item: item[1]))
    yearly = None
    if measured.order_bytes is not None:
        yearly = orders_a_day(min(limits.values()), assumed) * DAYS_A_YEAR * measured.order_bytes / GB
    return Capacity(
        cores=cores,
        processes=running,
        limits=limits,
        assumed=assumed,
        products=None if not measured.product_bytes else disk * assumed.disk_for_products * GB / measured.product_bytes,
        disk_gb_a_year=yearly,
        memory_gib=(measured.market_mib * running + measured.servers_mib) / 1024,
    )


def ladder(measured: Measured, assumed: Assumptions, cores: int) -> list[Step]:
    """What each further step lets through on machines of so many cores, by processor time alone."""
    whole, public = bundle(measured, assumed), pages(measured, assumed)
    primary = whole.database - public.database
    of_machine = effective_cores(cores, assumed.contention) * assumed.utilisation * 1000
    one = capacity(measured, assumed, cores, 1).limits
    together = of_machine / (whole.market + whole.database)

    def machines(milliseconds: float, orders: float) -> int:
        return ceil(milliseconds * orders / of_machine)

    def apart(what: str, orders: float, market: float) -> Step:
        """As many machines for the market, and for public reads beside the primary, as the primary keeps at work."""
        replicas = 0 if orders * whole.database <= of_machine * (1 + 1e-9) else machines(public.database, orders)
        return Step(what, 1 + replicas + machines(market, orders), orders, "PostgreSQL's primary")

    steps = [
        Step("one process, as `make up` starts it", 1, min(one["event loops"], together), "event loop"),
        Step("as many processes as the cores can use", 1, together, "cores"),
        Step(
            "PostgreSQL on a machine of its own",
            2,
            of_machine / max(whole.market, whole.database),
            "gateway and services",
        ),
        apart("gateway and services on as many as PostgreSQL keeps at work", of_machine / whole.database, whole.market),
        apart("public reads and searches from replicas", of_machine / primary, whole.market),
    ]
    if measured.over_http is not None:
        over_http = whole.market * measured.over_http
        steps.append(apart("the same, each service apart over HTTP, at most", of_machine / primary, over_http))
    return steps


def need(measured: Measured, assumed: Assumptions, demand: Demand) -> Need:
    """What a demand takes."""
    daily = demand.people * demand.buyers_share * assumed.orders_a_month / DAYS_A_MONTH
    peak = daily * assumed.peak_hour / 3600 * assumed.campaign
    lines = measured.bulk_line * (demand.hotel_lines_a_day * assumed.peak_hour / 3600)
    public = pages(measured, assumed) * peak
    changes = (writes(measured, assumed) + measured.sign_in * assumed.sign_ins) * peak + lines

    def cores(milliseconds: float) -> float:
        return milliseconds / 1000 / assumed.utilisation

    release = measured.bulk_line * (demand.aid_packages * demand.lines_per_package)
    products = demand.producers * demand.products_per_producer
    return Need(
        demand=demand,
        orders_a_day=daily,
        orders=peak,
        requests=peak * requests_per_order(assumed),
        market_cores=cores(public.market + changes.market),
        primary_cores=cores(changes.database),
        reading_cores=cores(public.database),
        products=products,
        products_gb=None if measured.product_bytes is None else products * measured.product_bytes / GB,
        orders_gb_a_year=(None if measured.order_bytes is None else daily * DAYS_A_YEAR * measured.order_bytes / GB),
        release_core_minutes=(release.market + release.database) / 1000 / 60,
    )
