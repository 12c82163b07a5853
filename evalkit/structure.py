from evalkit.suite.structure import *  # noqa
