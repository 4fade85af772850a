# Goal: a standby whose data directory has vanished is made anew by itself, also when it vanishes under the running server; a
# host whose address has changed is found at the new one, be it a standby or the master.
# Method: three nodes. A standby is stopped and its data directory removed; then the same under a running server. Then a standby, and after it the master, is started with another port.
use strict;
use warnings;

use File::Path qw(remove_tree);
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use JSON::PP ();
use SlotTools qw(db_of slots_are_right);
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '3s', sleepInterval => '1s' });
$lab->make_table;
my $master = $lab->master;
my ($standby, $other) = grep { $_ ne $master } $lab->nodes;
my $writer = $lab->writer('proxy', timeout => 600);
$writer->wait_for_acks(20);

sub data { my ($node) = @_; return $lab->dir . "/$node/data/postgres" }

# Made anew as another incarnation, and nothing else has changed.
sub is_made_anew {
	my ($node, $db, $how) = @_;
	StolonLab::poll_until("$node gets a new incarnation", sub { db_of($lab, $node) ne $db }, 120);
	is($lab->wait_until_whole, $master, "$how: it streams again");
	ok(slots_are_right($lab, $_), "$how: $_ holds the right slots") for $lab->nodes;
	return;
}

# ---- Data that vanish

my $db = db_of($lab, $standby);
$lab->lab('stop', $standby);
remove_tree(data($standby));
$lab->lab('start', $standby);
is_made_anew($standby, $db, 'data that vanished while the host was down');

$db = db_of($lab, $other);
rename data($other), data($other) . '.gone' or die "rename: $!\n";
# The postmaster looks for its lock file once a minute, and then ends.
is_made_anew($other, $db, 'data that vanished under the running server');
remove_tree(data($other) . '.gone');

# ---- Addresses that change

sub change_port {
	my ($node) = @_;
	my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!\n";
	my $port = $socket->sockport;
	my $file = $lab->dir . '/lab.json';
	open my $in, '<', $file or die "$file: $!\n";
	my $text = join '', <$in>;
	close $in;
	my $state = JSON::PP::decode_json($text);
	$state->{members}{$node}{port} = $port;
	open my $out, '>', $file or die "$file: $!\n";
	print $out JSON::PP::encode_json($state);
	close $out;
	close $socket;
	return $port;
}

my %dbs = map { $_ => db_of($lab, $_) } $lab->nodes;
$lab->lab('stop', $standby);
my $port = change_port($standby);
$lab->lab('start', $standby);
is($lab->wait_until_whole, $master, 'the standby streams under its new address');
StolonLab::poll_until('the view has it', sub { $lab->clusterdata->{keepers}{$standby}{port} == $port });
$writer->wait_for_acks(20, StolonLab::now());
is(db_of($lab, $standby), $dbs{$standby}, 'by its old data');

# Nobody else is there to take over until it is up again.
$lab->lab('stop', $_) for $standby, $other;
$lab->fault('kill-node', $master);
$port = change_port($master);
$lab->lab('start', $master);
StolonLab::poll_until('the master takes writes again', sub { $lab->sql($master, 'create table if not exists again ()'); 1 });
$lab->lab('start', $_) for $other, $standby;
is($lab->wait_until_whole(120), $master, 'the master is found under its new address');
is($lab->clusterdata->{keepers}{$master}{port}, $port, 'the view has it');
$writer->wait_for_acks(20, StolonLab::now());
$lab->stop_writers;
is(db_of($lab, $_), $dbs{$_}, "$_ goes on with its data") for $lab->nodes;
done_testing();
