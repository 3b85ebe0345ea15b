"""What options a trainer has, which values they take, and how they are read from a command line and a
file."""

from sd_contract.options.groups import LoggingOptions, LossOptions, NoiseOptions
from sd_contract.options.network_arguments import NetworkArguments, network_arguments
from sd_contract.options.optimizers import optimizer_arguments
from sd_contract.options.schedules import scheduler_arguments
from sd_contract.options.settings import (
    CommandLine,
    Settings,
    build_parser,
    parse_resolution,
    read_command_line,
    read_config_file,
    read_settings,
    require,
    settings_from,
    trained_size,
)
from sd_contract.options.table import (
    OPTIONS,
    OptionSpec,
    Value,
    check,
    checked,
    kohya_options,
    option,
    parse,
    parsed,
    supported,
)

__all__ = [
    "OPTIONS",
    "CommandLine",
    "LoggingOptions",
    "LossOptions",
    "NetworkArguments",
    "NoiseOptions",
    "OptionSpec",
    "Settings",
    "Value",
    "build_parser",
    "check",
    "checked",
    "kohya_options",
    "network_arguments",
    "optimizer_arguments",
    "option",
    "parse",
    "parse_resolution",
    "parsed",
    "read_command_line",
    "read_config_file",
    "read_settings",
    "require",
    "scheduler_arguments",
    "settings_from",
    "supported",
    "trained_size",
]
