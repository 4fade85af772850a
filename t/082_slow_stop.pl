# Goal: a switchover whose stop outlasts the master's lease leads to no election before the launcher has told how the server
# ended: what was acknowledged after the last beat is not lost.
# Method: an open transaction holds the switchover in its step "pause" while the standbys are cut from the master (network
# namespaces) and the walsenders are stopped, for which a fast stop waits in vain. A client that does not come through the
# proxy commits one more row; then the transaction ends.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use HeldSwitchover;
use SlotTools qw(db_of);
use StolonLab;
use Test::More;

my $lab = StolonLab->new(net => 'netns', spec => { failInterval => '3s' });
$lab->make_table;
my $master = $lab->master;
my @standbys = grep { $_ ne $master } $lab->nodes;
my $db = db_of($lab, $master);

my $switchover = HeldSwitchover->begin($lab, $standbys[0], '10s');

my @walsenders = split /\n/, $lab->sql($master, 'select pid from pg_stat_replication');
is(scalar @walsenders, 2, 'both standbys stream');
kill 'STOP', @walsenders;
$lab->cut_between($_, $master) for @standbys;
$lab->sql($master, q{insert into acked values ('late', 1)});
is($switchover->let_go, '', 'the open transaction has ended well');
my ($code, $complaint) = $switchover->outcome;
is($code, 1, 'the switchover is not done');
like($complaint, qr/undone/, 'it was undone');

like($lab->log_text($master), qr/stop immediately \(L-04\)/, "$master had to be stopped by force");
my $decisions = join '', map { $lab->log_text($_) } 'sentinel1', 'sentinel2';
like($decisions, qr/S-05: Master \S+ on keeper $master is being stopped for the switchover, and its lease has run out/,
	'the stop has outlasted the lease');
$lab->lab('heal', $_) for @standbys;
is($lab->wait_until_whole, $master, "$master is the master, and all is well");
is(db_of($lab, $master), $db, 'with its data');
is($lab->sql($master, q{select count(*) from acked where source = 'late'}), 1, 'the last row is there');
done_testing();
