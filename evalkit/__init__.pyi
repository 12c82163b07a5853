from evalkit.api import Comparison as Comparison
from evalkit.api import Run as Run
from evalkit.api import Step as Step
from evalkit.api import compare as compare
from evalkit.api import export as export
from evalkit.api import load_run as load_run
from evalkit.api import load_suite as load_suite
from evalkit.api import run as run
from evalkit.errors import ConfigError as ConfigError
from evalkit.errors import EvalkitError as EvalkitError
from evalkit.errors import NothingRanError as NothingRanError
from evalkit.types import Case as Case
from evalkit.types import Suite as Suite

__version__: str
