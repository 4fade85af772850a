# Goal: a standby that runs and does not follow its master is told, with the reason, and repaired in bounded time: first it
# connects anew, then it is made anew (LESSONS C-7).
# Method: a client writes without a pause. A standby is led to another server, by a hand in stolon.conf: it gets on there, and
# is led back. Then its walreceiver is stopped, so that it is connected, receives nothing, and cannot be ended: only another
# incarnation helps.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use SlotTools qw(db_of slots_are_right);
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '3s', sleepInterval => '1s', standbyRepairTimeout => '20s' });
$lab->make_table;
my $master = $lab->master;
my ($standby, $other) = grep { $_ ne $master } $lab->nodes;
my $db = db_of($lab, $standby);
my $epoch = $lab->clusterdata->{epoch};
my $writer = $lab->writer('proxy', timeout => 600);
$writer->wait_for_acks(20);

# What `stolonctl status` tells of the standby.
sub told {
	my $status = JSON::PP::decode_json($lab->lab('stolonctl', 'status', '--json'));
	my ($keeper) = grep { $_->{uid} eq $standby } @{ $status->{keepers} };
	return { %$keeper, warnings => join("\n", @{ $status->{warnings} }) };
}

sub senders_of {
	my ($node) = @_;
	return $lab->sql($node, "select count(*) from pg_stat_replication where application_name = 'stolon_"
		  . db_of($lab, $standby) . "' and state = 'streaming'");
}

sub has_everything {
	my ($what) = @_;
	my $number = $writer->last_ack;
	StolonLab::poll_until("$standby has row $number", sub {
		$lab->sql($standby, "select count(*) from acked where number = $number") == 1;
	});
	return pass("$what: $standby gets what is written");
}

is(told()->{trouble}, undef, 'at first nothing is told');

# ---- Led astray

my $state = JSON::PP::decode_json(text_of($lab->dir . '/lab.json'));
my %port = map { $_ => $state->{members}{$_}{port} } $master, $other;
my $file = $lab->dir . "/$standby/data/postgres/stolon.conf";
my $text = text_of($file);
ok($text =~ s/(primary_conninfo.*?port=\W*)$port{$master}\b/$1$port{$other}/, 'its configuration names the master');
open my $out, '>', $file or die "$file: $!\n";
print $out $text;
close $out;
$lab->sql($standby, 'select pg_reload_conf()');
StolonLab::poll_until("it streams from $other", sub { senders_of($other) == 1 });
my $told = StolonLab::poll_until('status tells that it follows another server',
	sub { my $told = told(); ($told->{trouble} // '') =~ /not its upstream/ && $told });
like($told->{trouble}, qr/connected to 127\.\d+\.\d+\.\d+:$port{$other}, which is not its upstream/, 'the reason is told');
ok(!$told->{streaming}, 'it does not count as streaming');
like($told->{warnings}, qr/keeper $standby does not stream from the master/, '... and is a warning');
StolonLab::poll_until("it streams from $master again", sub { senders_of($master) == 1 && senders_of($other) == 0 });
has_everything('led back');
StolonLab::poll_until('nothing is told any more', sub { !told()->{trouble} });
is(db_of($lab, $standby), $db, 'it was not made anew');

# ---- Its walreceiver hangs

my $receiver = $lab->sql($standby, 'select pid from pg_stat_wal_receiver');
kill 'STOP', $receiver or die "kill $receiver: $!\n";
$told = StolonLab::poll_until('status tells that nothing arrives',
	sub { my $told = told(); ($told->{trouble} // '') =~ /receives nothing/ && $told });
ok(!$told->{streaming}, 'it does not count as streaming');
is($told->{db}, $db, 'at first it is left alone');
StolonLab::poll_until("$standby gets a new incarnation", sub { db_of($lab, $standby) ne $db });
is($lab->wait_until_whole, $master, 'it streams again');
has_everything('made anew');
my ($repair) = grep { $_->{kind} eq 'repair' } $lab->history;
like($repair->{reason}, qr/Standby $db on keeper $standby .*its walreceiver hangs/, 'the history tells why');
ok(!kill(0, $receiver), 'the process that hung is gone');
ok(slots_are_right($lab, $_), "$_ holds the right slots") for $lab->nodes;
$lab->stop_writers;
is($lab->clusterdata->{epoch}, $epoch, 'there was no election');
done_testing();

sub text_of {
	my ($path) = @_;
	local $/;
	open my $in, '<', $path or die "$path: $!\n";
	return <$in>;
}
