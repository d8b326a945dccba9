"""Make a trained transformer as small and fast as a machine needs, at the least loss of accuracy, and prove it.

Importing this package is light; it also lets `transformers` load exported folders.
"""

from wrapt import register_post_import_hook

register_post_import_hook("greenfront.registration:register", "transformers.quantizers.auto")
