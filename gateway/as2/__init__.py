"""AS2 inside the gateway: what the door and the transport share. The messages themselves are values of translators.as2."""
