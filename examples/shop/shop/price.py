"""What things cost. Prices are whole cents; nothing here knows the web."""

CURRENCY = "EUR"

# Cents for one.
PRICES = {"tea": 350, "cup": 1200, "kettle": 4900}

# From this many of one thing on, a tenth is taken off.
DISCOUNT_FROM = 10


class Unknown(Exception):
    """There is no such thing in the shop."""


def total_cents(item, count):
    """What `count` of `item` cost together, in cents."""
    if item not in PRICES:
        raise Unknown(item)
    if count < 1:
        raise ValueError("count starts at 1")
    cents = PRICES[item] * count
    if count >= DISCOUNT_FROM:
        cents -= cents // 10
    return cents


def shown(cents):
    """Cents as people read them: 1234 is 12.34."""
    return f"{cents // 100}.{cents % 100:02}"
