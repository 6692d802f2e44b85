"""Who puts and gets files by SFTP, and under which terms. Knows no file."""

from dataclasses import dataclass

from partners.book import Revision
from partners.channels import SftpChannel


@dataclass(frozen=True, slots=True)
class Caller:
    """Who puts or gets a file, under which terms."""

    revision: Revision
    who: str

    @property
    def partner(self) -> str:
        return self.revision.profile.partner

    @property
    def channel(self) -> SftpChannel:
        channel = self.revision.profile.channels.sftp
        assert channel is not None
        return channel
