"""Spark, by PySpark's `read.parquet` in a JVM of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any, Final

from interop.by_pyarrow import arrow_schema
from interop.tables import GLOB, Answer, Filter, Form, How, Opened, Table
from py4j.protocol import Py4JJavaError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

__all__ = ["Spark"]

_INFERENCE: Final = "spark.sql.sources.partitionColumnTypeInference.enabled"
_SETTINGS: Final = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # it lives for a minute
    "spark.driver.memory": "512m",
    "spark.log.level": "OFF",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000",  # no job to list a few folders
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.files.openCostInBytes": "1",  # many small files a task
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


class JavaError(Exception):
    """What PySpark leaves in Java's words."""


class Spark:
    """Reads in one session, which is stopped at the end of the tests."""

    errors = (PySparkException, JavaError)

    def __init__(self) -> None:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        builder = SparkSession.builder.master("local[2]").appName("interop")
        for name, value in _SETTINGS.items():
            builder = builder.config(name, value)
        self._session = builder.getOrCreate()
        self._frames: dict[tuple[Path, Form, How], DataFrame] = {}

    def close(self) -> None:
        """Stop the session, and the JVM with it."""
        gateway = SparkContext._gateway
        self._session.stop()
        if gateway is not None:
            gateway.shutdown()
            gateway.proc.stdin.close()
            gateway.proc.wait()
            SparkContext._gateway = SparkContext._jvm = None

    def bare(self, table: Table, form: Form) -> Answer:
        return _answer(self._session.read.parquet(table.path(form)))

    def read(self, table: Table, form: Form, how: How) -> Answer:
        return _answer(self._frame(table, form, how))

    def opened(self, table: Table, form: Form, filters: Sequence[Filter]) -> Opened:
        frame = self._frame(table, form, "pinned")
        compared: list[Column] = [
            frame[name] == value if sign == "==" else frame[name] >= value for name, sign, value in filters
        ]
        found = frame.filter(reduce(and_, compared))
        rows = _answer(found).rows
        scan = found._jdf.queryExecution().executedPlan().collectLeaves().head()
        return Opened(int(scan.metrics().get("numFiles").get().value()), rows)

    def _frame(self, table: Table, form: Form, how: How) -> DataFrame:
        asked = (table.folder, form, how)
        if asked not in self._frames:  # looking at the footers is a job of its own
            self._frames[asked] = self._planned(table, form, how)
        return self._frames[asked]

    def _planned(self, table: Table, form: Form, how: How) -> DataFrame:
        self._session.conf.set(_INFERENCE, str(how == "default").lower())
        reader = self._session.read
        if form == GLOB:
            reader = reader.option("basePath", str(table.folder))
        has_others = {*map(str, table.keys.values())} != {"String"}
        if how == "coping" or (how == "pinned" and has_others):
            reader = reader.schema(from_arrow_schema(arrow_schema(table)))
        return reader.parquet(table.path(form))


def _answer(frame: DataFrame) -> Answer:
    types = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    try:
        rows = frame.toArrow().to_pylist()  # `collect` cannot give moments of the year 1
    except Py4JJavaError as error:
        raise JavaError(_cause(error.java_exception)) from error
    return Answer(types, rows)


def _cause(error: Any) -> str:
    """The message of the last error below one of Java's."""
    while (cause := error.getCause()) is not None:
        error = cause
    return f"{error.getClass().getSimpleName()}: {error.getMessage()}"
