# Goal: a standby that was away while its upstream lost the mastership and won it again follows the new incarnation, and
# says so: nothing but the db's uid is another.
# Method: a standby is frozen; the master's postmaster is killed, and the next master's when the old one streams from it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '2s' });
my $first = $lab->master;
my ($away, $second) = grep { $_ ne $first } $lab->nodes;
sub db_of { return $lab->clusterdata->{keepers}{ $_[0] }{db} }
sub upstream_of { my $info = $lab->published("keepers/info/$_[0]"); return $info && $info->{streaming} ? $info->{upstream} : '' }

sub fail_over {
	my ($old, $new) = @_;
	$lab->fault('kill-postgres', $old);
	StolonLab::poll_until("$new is the master", sub { $lab->master eq $new });
	StolonLab::poll_until("$old follows it", sub { upstream_of($old) eq db_of($new) });
	return;
}

$lab->wait_for_replay;
my $followed = db_of($first);
is(upstream_of($away), $followed, 'the standby follows the first master');
$lab->fault('freeze', $away);
fail_over($first, $second);
fail_over($second, $first);
isnt(db_of($first), $followed, 'the first master is the master again, as another db');
$lab->lab('heal', $away);
is($lab->wait_until_whole, $first, 'all stream from it and say so');
is(upstream_of($away), db_of($first), 'the standby that was away, too');
done_testing();
