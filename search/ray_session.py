"""Ray for the time of a search: started or reached, and stopped without leaving anything behind."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from greenfront.config import RayConfig
from greenfront.errors import RunError
from greenfront.search.placement import Needs, check_room, most_later, nodes_there
from greenfront.search.ray_access import (
    check_dashboard,
    dashboard,
    keep_token_private,
    on_loopback,
    warn_without_token,
)
from greenfront.search.ray_folder import ray_folder
from greenfront.search.ray_signals import apart, own_signals
from greenfront.search.reaching import join_elsewhere, knock
from greenfront.search.reasons import last_line
from greenfront.search.shipping import check_nodes, runtime_env


@contextmanager
def running_ray(config: RayConfig, workers: int) -> Iterator[None]:
    """Ray, local or of a cluster, for the time of a search, without a dashboard unless one is asked for.

    A local Ray listens on loopback alone, and asks for the user's token.

    Raises:
        RunError: it can't be started or reached.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # says the future default, which Ray warns about
    arguments: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    needs = Needs.of(config)
    if config.local:
        arguments |= {"num_cpus": math.ceil(workers * needs.cpu), **dashboard(config)}
    with ray_folder() as folder:
        if config.local:
            arguments["_temp_dir"] = str(folder)
        try:
            knock(config.address)
            with own_signals(), apart(), on_loopback(config.local):
                ray.init(address=config.address, runtime_env=runtime_env(config, folder), **arguments)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            rule = (
                "must be local, auto (on a cluster's node, or by RAY_ADDRESS), HOST:PORT of a cluster that this "
                "machine is a node of, or ray://HOST:PORT"
            )
            why = last_line(error)
            if isinstance(error, ConnectionError) and "cluster at" in why:
                why += ", which answers, but refuses: is Ray's version there the same, and its token (RAY_AUTH_TOKEN)?"
            raise RunError(f"ray.address: {rule}, but got {config.address!r}: {why}") from error
        if config.local:
            keep_token_private()
        try:
            if config.local and workers:
                check_room(workers, needs, nodes_there())
            yield
        finally:
            with own_signals():
                ray.shutdown()


def check_cluster(config: RayConfig) -> None:
    """Refuse what Ray will not be able to do; on this machine it is only started when it is needed.

    Raises:
        ConfigError: a dashboard that can't be had.
        RunError: a cluster that can't be reached, has no room for the workers, or can't run Greenfront.
    """
    check_dashboard(config)
    if not config.local:
        try:
            knock(config.address)
        except OSError:
            pass  # said below, with what an address can be
        else:
            join_elsewhere(config.address)
        with running_ray(config, 0):
            warn_without_token(config)
            check_room(config.workers, Needs.of(config), nodes_there(), most_later())
            check_nodes(config)
