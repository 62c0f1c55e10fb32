"""Verbs for a store."""

from typing import Annotated

import typer

from sweeps.cli.app import DEFAULT_HOME, EXIT_STAGE_FAILED, HomeOption, JsonOption, StoreOption, app, print_json, user_errors
from sweeps.collect import collect, parse_size, verify
from sweeps.home import Home
from sweeps.opened import open_store_of
from trainables.scratch import collect_scratch

cache = typer.Typer(no_args_is_help=True, help="Looks after a store: verify its bytes, or delete what it can do without.")
app.add_typer(cache, name="cache")


@cache.command(name="verify")
def cache_verify(home: HomeOption = DEFAULT_HOME, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Reads every byte of a store, and sets aside the stages whose files are not as they were published."""
    with user_errors():
        found = list(verify(open_store_of(Home(home, store))))
    if as_json:
        print_json({"damaged": found})
    else:
        for line in found:
            print(line)
        print(f"{len(found)} stages were damaged" if found else "every byte is as published")
    if found:
        raise typer.Exit(EXIT_STAGE_FAILED)


@cache.command(name="gc")
def cache_gc(
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    keep: Annotated[
        str | None, typer.Option("--keep", help="A quota such as 500G: files of finished stages go until the rest fits.")
    ] = None,
    is_dry: Annotated[bool, typer.Option("--dry-run", help="Delete nothing, only count.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Deletes what died half-way and, with --keep, files that can be computed again; numbers stay."""
    with user_errors():
        found = collect(open_store_of(Home(home, store)), None if keep is None else parse_size(keep), is_dry=is_dry)
        scratch = collect_scratch(is_dry=is_dry)
    if as_json:
        print_json({**found.model_dump(), "scratch_bytes": scratch})
        return
    print(f"{'would free' if is_dry else 'freed'} {(found.freed_bytes + scratch) / 1e9:.3f} GB:")
    print(f"  {found.abandoned_bytes / 1e9:.3f} of attempts that died, {found.progress_bytes / 1e9:.3f} of checkpoints of finished stages")
    print(f"  {found.quota_bytes / 1e9:.3f} of the files of {len(found.stages)} stages, which are computed again when they are needed")
    print(f"  {scratch / 1e9:.3f} of temporary files on this machine whose processes died")
    print(f"left: {found.kept_bytes / 1e9:.3f} GB of files of stages")
