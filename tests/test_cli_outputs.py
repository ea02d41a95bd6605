"""What a person reads when all is well, to the letter: one screen, then the next command."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def test_the_first_partition_is_shown_with_its_path_and_rows(cli: Any) -> None:
    done = cli("materialize", "2018-02")
    assert (done.code, done.err) == (0, "")
    cli.golden("materialize", done)


def test_a_fresh_partition_is_not_made_again(cli: Any) -> None:
    cli("materialize", "2018-02")
    before = cli.hive()
    cli.now += timedelta(minutes=5)
    done = cli("materialize", "2018-02")
    assert (done.code, done.err) == (0, "")
    assert cli.hive() == before
    cli.golden("materialize-fresh", done)


def test_forced_with_the_same_inputs_it_is_unchanged_and_the_file_is_not_touched(cli: Any) -> None:
    cli("materialize", "2018-02")
    before = cli.hive()
    done = cli("materialize", "2018-02", "--force", "--preview", "1")
    assert done.code == 0
    assert cli.hive() == before
    cli.golden("materialize-forced", done)


def test_a_changed_source_replaces_what_it_changed(cli: Any) -> None:
    from commandline import ORDERS

    cli("materialize", "2018-02")
    cli.orders(ORDERS | {"2018-02": {"completed": 27}}, age=timedelta(hours=2))
    cli.golden("materialize-replaced", cli("materialize", "2018-02"))


def test_a_backfill_is_one_line_and_one_bar_and_tells_which_are_empty(cli: Any) -> None:
    """Four months hold orders and 24 do not; what was made before stays as it is."""
    cli("materialize", "2018-01..2018-04")
    done = cli("materialize", "2018-01..2020-04", "--force", "-q")
    assert (done.code, done.err) == (0, "")
    cli.golden("backfill", done)


def test_without_a_terminal_progress_is_a_line_a_partition(cli: Any) -> None:
    cli("materialize", "2018-02")
    cli.golden("backfill-lines", cli("materialize", "2018-01..2018-06"))


def test_more_than_fifty_partitions_share_cells(cli: Any) -> None:
    cli.golden("backfill-binned", cli("materialize", "all", "-q"))


def test_a_dry_run_tells_each_step_with_its_reason_and_writes_nothing(cli: Any) -> None:
    from commandline import ORDERS

    cli("materialize", "2018-01..2018-03")
    cli.orders(ORDERS | {"2018-05": {"placed": 1}}, age=timedelta(hours=2))
    before = sorted(str(path) for path in cli.folder.rglob("*"))
    done = cli("materialize", "2018-01..2018-04", "-n")
    assert done.code == 0
    assert sorted(str(path) for path in cli.folder.rglob("*")) == before
    cli.golden("dry-run", done)


def test_many_fresh_partitions_are_one_line_and_quietly_none(cli: Any) -> None:
    """Beside the one that was made the fresh ones are summed up; a quiet run that has nothing to do is silent."""
    cli("materialize", "2018-01..2018-04")
    idle = cli("materialize", "2018-01..2018-04", "-q")
    assert (idle.code, idle.out, idle.err) == (0, "", "")
    cli.golden("mostly-fresh", cli("materialize", "2018-01..2018-05"), cli("materialize", "2018-01..2018-05"))


def test_last_and_except_narrow_the_selection(cli: Any) -> None:
    """The last four, and of these all but two; an exception that leaves nothing is nothing to do."""
    done = cli("materialize", "2018", "--last", "4", "--except", "2018-10..2018-11", "-n")
    nothing = cli("materialize", "2018-02", "--except", "2018", "--except", "2019")
    unneeded = cli("materialize", "--stale", "--failed")
    assert (done.code, nothing.code, unneeded.code) == (0, 0, 0)
    assert cli.hive() == {}
    cli.golden("narrowed", done, nothing, unneeded)


def test_the_grid_tells_every_state_apart_with_its_reason_and_the_next_command(cli: Any) -> None:
    """January fresh, February stale, March failed and its data kept, April failed, May empty, the others missing."""
    from commandline import ORDERS

    text = (cli.folder / "lakefile.py").read_text()
    per_key = text.replace("(stg_orders: pl.LazyFrame)", "(stg_orders: pl.LazyFrame, partition)").replace(
        'group_by("partition_date", "status")', 'group_by("status")'
    )
    cli.write(
        per_key.replace("    return stg_orders.group_by", "    assert 2 + 2 == 4\n    return stg_orders.group_by")
    )
    assert cli("materialize", "2018-01..2018-03 2018-05").code == 0
    cli.orders(ORDERS | {"2018-02": {"completed": 27}}, age=timedelta(hours=2))
    raising = '    if partition.key in ("2018-03", "2018-04"):\n        raise KeyError("rate")\n'
    cli.write(per_key.replace("    return stg_orders.group_by", f"{raising}    return stg_orders.group_by"))
    assert cli("materialize", "2018-03..2018-04").code == 1
    assert cli("materialize", "2018-01 2018-05").code == 0
    cli.now += timedelta(minutes=3)
    done = cli("status")
    assert (done.code, done.err) == (0, "")
    cli.golden("status", done, cli("status", "--why"), cli("status", "2018-01..2018-06", "--list"))


def test_check_asks_whether_everything_is_fresh(cli: Any) -> None:
    """Exit 3 where a partition is missing, 0 where none is; with --quiet nothing is printed."""
    cli("materialize", "2018")
    quiet = cli("status", "--check", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (3, "", "")
    assert cli("status", "2018", "--check").code == 0
    assert cli("status", "2018-12..2019-01", "--check").code == 3
    cli.golden("status-check", cli("status", "2018", "--check"))


def test_a_failed_attempt_is_work_for_check_even_where_the_data_is_fresh(cli: Any) -> None:
    cli("materialize", "2018-02")
    text = (cli.folder / "lakefile.py").read_text()
    cli.write(text.replace("    return stg_orders.group_by", "    raise KeyError\n    return stg_orders.group_by"))
    assert cli("materialize", "2018-02").code == 1
    cli.write(text)
    assert cli("status", "2018-02", "--check").code == 3
    assert cli("materialize", "2018-02").code == 0
    assert cli("status", "2018-02", "--check").code == 0


def test_show_tells_where_an_asset_lies_what_it_holds_and_what_it_is_made_of(cli: Any) -> None:
    """Before anything is made; of an asset, its latest partition with rows; of a key; of an empty one; the schema."""
    unmade = cli("show", "monthly_orders")
    no_schema = cli("show", "monthly_orders", "--schema")
    assert (unmade.code, no_schema.code) == (0, 2)
    cli.golden("show-unmade", unmade, no_schema)
    cli("materialize", "2018-01..2018-05", "-q")
    cli.golden(
        "show",
        cli("show", "monthly_orders"),
        cli("show", "monthly_orders", "2018-01", "--rows", "1"),
        cli("show", "monthly_orders", "2018-05"),
        cli("show", "monthly_orders", "2018-06"),
        cli("show", "monthly_orders", "--schema"),
    )


def test_a_query_is_a_table_or_csv_or_json_or_ndjson(cli: Any) -> None:
    cli("materialize", "2018-01..2018-03", "-q")
    sql = "SELECT * FROM monthly_orders WHERE partition_date = '2018-02'"
    runs = [cli("query", sql), *(cli("query", sql, "--format", form) for form in ("csv", "json", "ndjson"))]
    assert [run.code for run in runs] == [0, 0, 0, 0]
    assert cli("query", sql, "--json").out == runs[2].out
    cli.golden("query", *runs)


def test_a_query_comes_from_a_file_or_from_stdin_and_goes_to_a_file(cli: Any) -> None:
    cli("materialize", "2018-02", "-q")
    sql = "FROM monthly_orders SELECT status, order_num"
    cli.write(sql, "report.sql")
    expected = "status,order_num\ncompleted,26\nreturn_pending,1\n"
    assert cli("query", "-i", "report.sql", "--format", "csv").out == expected
    assert cli("query", "--format", "csv", stdin=sql).out == expected
    assert cli("query", "-i", "-", "--format", "csv", stdin=sql).out == expected
    done = cli("query", sql, "--format", "csv", "-o", "report.csv")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (cli.folder / "report.csv").read_text() == expected


def test_a_query_that_fails_leaves_the_file_as_it_was(cli: Any) -> None:
    report = cli.write("before", "report.csv")
    done = cli("query", "SELECT error('late') FROM range(100000)", "--format", "csv", "-o", "report.csv")
    assert done.code == 2
    assert report.read_text() == "before"
    assert sorted(path.name for path in cli.folder.iterdir()) == ["data", "lakefile.py", "report.csv"]


def test_no_sql_and_no_terminal_is_an_error(cli: Any) -> None:
    assert cli("query", stdin="").code == 2
    assert cli("query", stdin="  \n").err.startswith("error[query-missing]: no SQL is given\n")


def test_a_long_table_is_cut_and_says_so(cli: Any) -> None:
    done = cli("query", "SELECT range AS n FROM range(12345)")
    lines = done.out.splitlines()
    assert len(lines) == 103
    assert lines[-1] == "  … 12 245 more rows; all of them: --format csv"
    assert cli("query", "SELECT 1 AS n WHERE false").out == "        n\n  integer\n  (no rows)\n"


def test_what_json_and_csv_lack_is_written_so_that_it_reads_back(cli: Any) -> None:
    sql = """SELECT 1.50::DECIMAL(4,2) AS d, 'nan'::DOUBLE AS f, DATE '2018-02-01' AS day, [1, NULL] AS l,
             {'a': true} AS s, '\\x00\\xff'::BLOB AS b, NULL AS nothing,
             170141183460469231731687303715884105727::HUGEINT AS h"""
    assert cli("query", sql, "--format", "ndjson").json == {
        "d": "1.50",
        "f": None,
        "day": "2018-02-01",
        "l": [1, None],
        "s": {"a": True},
        "b": "00ff",
        "nothing": None,
        "h": 170141183460469231731687303715884105727,
    }
    row = cli("query", sql, "--format", "csv").out.splitlines()[1]
    assert row == '1.50,nan,2018-02-01,"[1, null]","{""a"": true}",00ff,,170141183460469231731687303715884105727'


def test_init_writes_a_project_that_works_offline(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done = cli("init", "shop")
    cli.golden("init", done, cli("init", "shop"), cli("init", "--blank", "fresh start"))
    monkeypatch.chdir(cli.folder / "shop")
    assert cli("materialize", "2018-02").code == 0
    assert cli("status", "2018-02", "--check").code == 0


def test_init_replaces_nothing_that_is_there(cli: Any) -> None:
    cli.write("secret/\n", "shop/.gitignore")
    cli.write("mine\n", "shop/data/raw_orders.csv")
    before = sorted((cli.folder / "shop").rglob("*"))
    assert cli("init", "shop").code == 2
    assert sorted((cli.folder / "shop").rglob("*")) == before
    (cli.folder / "shop/data/raw_orders.csv").unlink()
    assert cli("init", "shop").code == 0
    assert (cli.folder / "shop/.gitignore").read_text() == "secret/\n"


def test_a_blank_lakefile_loads_and_its_example_declares_an_asset(cli: Any) -> None:
    """As it is written it has no assets; with its comment signs taken off it is a lake."""
    assert cli("init", "--blank", "blank").code == 0
    lakefile: Path = cli.folder / "blank/lakefile.py"
    assert cli("query", "-C", "blank", "SELECT 1").code == 0
    assert "the lake has no assets" in cli("status", "-C", "blank").err
    lines = lakefile.read_text().splitlines()
    lakefile.write_text("\n".join(line.removeprefix("# ").removeprefix("#") for line in lines))
    cli.write("id,order_date\n1,2024-01-05\n2,2024-01-06\n", "blank/data/raw_orders.csv")
    assert cli("materialize", "2024-01", "-C", "blank").code == 0
    assert (
        cli("query", "-C", "blank", "FROM monthly_orders SELECT order_num", "--format", "csv").out == "order_num\n2\n"
    )


def test_a_folder_named_like_a_partition_above_the_lake_is_told_once(cli: Any) -> None:
    """DuckDB and others would show it as a column; a mere `=` in a name is none."""
    said = (
        "note: the lake lies below team=shop, and DuckDB and others show a folder of such a name as a column of the"
        " data\n"
    )
    assert cli("init", "team=shop/one").err == said
    done = cli("materialize", "2018-02", "-a", "monthly_orders", "-C", "team=shop/one", "--preview", "0")
    assert (done.code, done.err) == (0, said)
    assert cli("materialize", "2018-02", "-C", "team=shop/one", "-q").err == ""
    assert cli("status", "-C", "team=shop/one", "2018-02").err == ""
    assert cli("init", "==/two").err == ""


def test_what_the_users_code_prints_does_not_mix_with_results(cli: Any) -> None:
    text = (cli.folder / "lakefile.py").read_text()
    cli.write(
        'print("loading")\n' + text.replace("    return stg_orders", '    print("making")\n    return stg_orders')
    )
    done = cli("materialize", "2018-02", "--json")
    assert done.json["ok"] is True
    assert done.err.splitlines()[:2] == ["loading", "making"]
    assert cli("query", "FROM monthly_orders SELECT count(*) AS n", "--json").out == '[\n {"n": 2}\n]\n'
