"""Partitions: keys, the windows of time or the values that they stand for, and how kinds of them are combined.

A value is a definition; keys are text. Everything here is pure: no engine, no disk, and no clock (``now`` comes in).
"""

from lakehouse.partitions.categories import Categories, Dynamic
from lakehouse.partitions.dimension import Dimension, Partition, Partitions, Window
from lakehouse.partitions.product import Product, Unpartitioned
from lakehouse.partitions.timekinds import Daily, Hourly, Monthly, Quarterly, TimePartitions, Weekly, Yearly

__all__ = [
    "Categories",
    "Daily",
    "Dimension",
    "Dynamic",
    "Hourly",
    "Monthly",
    "Partition",
    "Partitions",
    "Product",
    "Quarterly",
    "TimePartitions",
    "Unpartitioned",
    "Weekly",
    "Window",
    "Yearly",
]
