"""All attacks, from the files of this folder."""

from on_limits import LIMIT_ATTACKS
from on_machine import MACHINE_ATTACKS
from on_notebook import NOTEBOOK_ATTACKS
from on_protocol import PROTOCOL_ATTACKS
from on_python import PYTHON_ATTACKS
from on_replies import REPLY_ATTACKS
from on_values import VALUE_ATTACKS

ON_THE_SANDBOX = [*MACHINE_ATTACKS, *LIMIT_ATTACKS]
"""What the walls and the limits have to stop; each kind of sandbox does it in its own way."""
ON_THE_TESTS = [*PYTHON_ATTACKS, *VALUE_ATTACKS, *REPLY_ATTACKS, *PROTOCOL_ATTACKS, *NOTEBOOK_ATTACKS]
"""What the examiner and the intake have to stop, whichever sandbox is around it."""
ATTACKS = [*ON_THE_SANDBOX, *ON_THE_TESTS]
