# Goal: a failover costs errors only to clients whose statement had gone to the server that failed: none to idle ones,
# and none to those that begin a transaction while the first login at the new master is under way.
# Method: bench/proxy lets a master be killed, and one be frozen, under clients of different kinds, and looks at each error.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my ($code, $out, $err) = StolonLab::run_command("$FindBin::Bin/../bench/proxy", '--parts', 'failovers', '--failovers', 4,
	'--faults', 'kill-postgres', 'freeze', '--fail-interval', '2s', '--scale', 1, '--check');
is($code, 0, 'no error that need not be') or diag($err);
like($out, qr/^\| kill-postgres \| 2 \| 0 \|.*^\| freeze \| 2 \| 0 \|/ms, 'no idle client had an error') or diag($out);
diag($out);
done_testing();
