# Goal: after a failover in a cluster that has been idle for longer than standbyRepairTimeout, the old master becomes a
# standby by what has been decided for it, once; its idleness is not held against the db that it is made into.
# Method: idleness is waited for, the master's postmaster is killed, and the history and the db are looked at. Three times.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $bound = 6;
my $lab = StolonLab->new(spec => { failInterval => '2s', sleepInterval => '1s', standbyRepairTimeout => "${bound}s" });
sub position { return $lab->published("keepers/info/$_[0]")->{position}{lsn} }

for my $round (1 .. 3) {
	my $old = $lab->wait_until_whole;
	my $db = $lab->clusterdata->{keepers}{$old}{db};
	my ($at, $since) = ('', 0);
	StolonLab::poll_until("$old is idle", sub {
		my $now = position($old);
		($at, $since) = ($now, StolonLab::now()) if $now ne $at;
		return StolonLab::now() - $since > 2 * $bound * 1_000_000;
	}, 90);
	$lab->fault('kill-postgres', $old);
	my $new = $lab->wait_for_master_other_than($old);
	is($lab->wait_until_whole, $new, "round $round: all stream from $new");
	my $data = $lab->clusterdata;
	is($data->{dbs}{ $data->{keepers}{$old}{db} }{replaces}, $db, 'the old master was made into a standby once');
}
is(scalar(grep { $_->{kind} eq 'repair' } $lab->history), 0, 'nothing was repaired');
done_testing();
