"""All documents, in the order of the pages' tabs."""

from platforms.bevatel.server.document import DOCUMENT as BEVATEL
from platforms.chative.server.document import DOCUMENT as CHATIVE
from platforms.docs.document import Document
from platforms.raven.server.document import DOCUMENT as RAVEN

DOCUMENTS: dict[str, Document] = {document.name: document for document in (RAVEN, CHATIVE, BEVATEL)}
