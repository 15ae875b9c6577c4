"""What a person opens after a run: one HTML page per result, an index of many, and more pictures on request."""

from face3d.report.index_page import ResultIndex
from face3d.report.pictures import PICTURES, check_pictures, write_pictures
from face3d.report.result_page import result_page

__all__ = ["PICTURES", "ResultIndex", "check_pictures", "result_page", "write_pictures"]
