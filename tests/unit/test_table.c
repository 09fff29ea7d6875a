/* Columns: Docker's widths and gaps. */
#include "cmd/ui/table.h"
#include "tests/lib/tap.h"

int main(void)
{
	_cleanup_table_ struct table t = { 0 }, none = { 0 }, ragged = { 0 };
	_cleanup_str_ struct str s = { 0 }, empty = { 0 }, r = { 0 };

	table_line(&t, "CONTAINER ID\tIMAGE\tNAMES");
	table_line(&t, "0123456789ab\tbusybox:latest\tx");
	table_line(&t, "ba9876543210\té…\tlonger_name");
	table_text(&t, &s);
	is_str(s.s,
	       "CONTAINER ID   IMAGE            NAMES\n"
	       "0123456789ab   busybox:latest   x\n"
	       "ba9876543210   é…               longer_name\n",
	       "three columns");
	table_text(&none, &empty);
	is_str(empty.s, NULL, "no line");
	table_line(&ragged, "A\tB\t");
	table_line(&ragged, "only");
	table_line(&ragged, "");
	table_line(&ragged, "a\t\tc");
	table_text(&ragged, &r);
	is_str(r.s,
	       "A         B         \n"
	       "only\n"
	       "\n"
	       "a                   c\n",
	       "short and empty cells, ten wide at least");
	return done_testing();
}
