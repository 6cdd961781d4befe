"""ORC files, which Hive and Spark write."""

import os

import pyarrow as pa

from gradatim.errors import FileReadError
from gradatim.tables.files.data_file import damaged
from gradatim.tables.files.expansion import check_expansion, most_bytes
from gradatim.tables.files.structs import opened
from gradatim.tables.files.whole_file import LEAST_BYTES, WholeFile, check_num_rows

__all__ = ["OrcFile"]


class OrcFile(WholeFile):
    """An ORC file. It is read stripe by stripe, and refused where it is too large."""

    suffixes = (".orc",)

    def load(self) -> pa.Table:
        """Read all stripes."""
        from pyarrow import orc  # other formats need not wait for it

        try:
            with pa.OSFile(os.fsencode(self.path)) as content:
                file = orc.ORCFile(content)
                check_num_rows(self.path, file.nrows, len(file.schema))
                most = most_bytes(self.path, least=LEAST_BYTES)
                num_bytes, stripes = 0, []
                for number in range(file.nstripes):
                    stripes.append(file.read_stripe(number))
                    num_bytes += stripes[-1].nbytes
                    check_expansion(self.path, num_bytes, most)
                table = pa.Table.from_batches(stripes, file.schema)
            table.validate(full=True)
            if table.num_rows != file.nrows:
                raise ValueError(f"{table.num_rows:,} rows are there of {file.nrows:,}")
            return opened(table)
        except (FileReadError, MemoryError):
            raise
        except Exception as error:
            raise damaged(self.path, "ORC", error) from error
