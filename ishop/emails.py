"""What an e-mail address is."""

from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

MAX_EMAIL = 254


def canonical_email(text: str) -> str:
    """One spelling for one mailbox: lower case, the domain in ASCII. Raises ValueError where it cannot be one.

    Domains reserved for tests and documentation are let in: nothing here depends on whether mail arrives.
    """
    try:
        checked = validate_email(text, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise PydanticCustomError("email_invalid", "This is not an e-mail address.") from error
    return (checked.ascii_email or checked.normalized).lower()


Email = Annotated[str, Field(max_length=MAX_EMAIL), AfterValidator(canonical_email)]
