# Goal: nothing but the store itself delays a master's beats: not a disk that hangs, not a name server that never answers, not
# clients that have taken all connections, not a keeper worker that stands still or has too much to do (D-6).
# Method: one Postgres, one etcd, and a view written by hand; the times at which etcd shows new beats are noted while each of
# these is the case. The disk hangs by a preloaded library, the name server is a port that nobody reads from.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use SickDisk;
use File::Temp qw(tempdir);
use IO::Socket::INET ();
use List::Util qw(max);
use RawSession;
use StolonLab;
use Test::More;
use Time::HiRes qw(sleep);

die "another /etc/resolv.conf needs root; run the tests as root\n" if $> != 0;
my $fail_interval = 5;
# A beat is due every second. Whatever is waited for here takes longer than this.
my $longest_gap = 2.5;
my $folder = tempdir('stolon-path-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $folder;

# ---- A server with a name server that never answers, on a disk that can hang

my $name_server = IO::Socket::INET->new(Proto => 'udp', LocalAddr => sprintf('127.%d.%d.53', 1 + rand 254, rand 256), LocalPort => 53)
  or die "no name server: $!\n";
FencedServer::append("$folder/resolv.conf", 'nameserver ' . $name_server->sockhost . "\n");

my $server = FencedServer->new(spec => { failInterval => "${fail_interval}s" }, endpoints => 'http://store.stolon.test:2379',
	parameters => "fsync = on\nmax_connections = 12\nsuperuser_reserved_connections = 3",
	environment => { LD_PRELOAD => SickDisk::library() },
	start_in => [ 'unshare', '--mount', 'sh', '-c', "mount --bind $folder/resolv.conf /etc/resolv.conf && exec \"\$@\"", 'sh' ]);
# Or a server could not be stopped when a test has failed.
END { unlink "$server->{data}/block.all" if $server }
$server->start_as_master;
$server->make_table;
my $writer = $server->writer('client');
$writer->wait_for_acks(20);
$server->note_beats;

# Seconds of the longest pause between two beats, from now on until $count have been put. $work is done again and again
# meanwhile; what it takes is not counted, since another process notes the beats.
sub longest_pause {
	my ($count, $work) = @_;
	my @seen_at = my $begun_at = StolonLab::now();
	while (@seen_at <= $count) {
		$work ? $work->() : sleep 0.02;
		@seen_at = ($begun_at, grep { $_ > $begun_at } $server->beats_noted);
		die "no beat for a minute\n" if StolonLab::now() - $seen_at[-1] > 60e6;
	}
	return max(map { $seen_at[$_] - $seen_at[ $_ - 1 ] } 1 .. $#seen_at) / 1e6;
}

sub check_beats {
	my ($what, $work) = @_;
	# More than a whole failInterval's.
	my $pause = longest_pause(8, $work);
	cmp_ok($pause, '<', $longest_gap, "beats go on: $what");
	diag(sprintf '%s: longest pause between two beats %.2f s', $what, $pause);
	return;
}

sub check_lease {
	my ($what) = @_;
	is($server->status("role || '-' || epoch || '-' || lease_valid"), 'master-1-true', "the lease is there afterwards: $what");
	return;
}

# ---- Names

my $asked = '';
$name_server->blocking(0);
StolonLab::poll_until('the name server is asked', sub { defined $name_server->recv($asked, 512) && $asked =~ /stolon\x04test/ });
pass('the server looks for the name of its first endpoint');
check_beats('a name server that never answers');
check_lease('a name server that never answers');
# While the good one is silent that endpoint is asked again.
$server->wait_for_beat;
my $revision = $server->revision_of('keepers/beat/k1');
$server->freeze_store;
sleep $fail_interval / 2;    # within the lease, and long enough that a beat is given up
$server->thaw_store;
my $held = 1;
StolonLab::poll_until('a beat is put', sub {
	$held &&= $server->status('lease_valid') eq 't';
	$server->revision_of('keepers/beat/k1') > $revision;
});
ok($held, 'nor does it cost the lease when the other endpoint is silent for half of failInterval');

# ---- Connections

my @sessions;
StolonLab::poll_until('no connection is left', sub {
	while (my $session = eval { RawSession->new($server) }) { push @sessions, $session }
	$@ =~ /too many clients/;
});
check_beats('no connection is left');
@sessions = ();
StolonLab::poll_until('there are connections again', sub { $server->sql('select 1') });
check_lease('no connection is left');

# ---- The disk

my $beat = $server->revision_of('keepers/beat/k1');
SickDisk::begin($server->{data}, 'block.all');
my $hung_at = StolonLab::now();
StolonLab::poll_until('the client hangs', sub { my @events = $writer->events; $events[-1]{kind} eq 'attempt' && StolonLab::now() - $events[-1]{at} > 1e6 });
# It may begin to hang in the middle of a reload.
kill 'HUP', $server->worker('lease');
# The keeper worker hangs, too, once it has something to write.
$server->{spec}{pgParameters} = { work_mem => '5MB' };
$server->name_master('aaaaaaaa', undef);
check_beats('the disk hangs');
SickDisk::end($server->{data}, 'block.all');
my $again_at = StolonLab::now();
$writer->wait_for_acks(20, $again_at);
StolonLab::poll_until('the keeper worker goes on', sub { $server->sql('show work_mem') eq '5MB' });
StolonLab::poll_until('the log tells what was the matter', sub { $server->log_text =~ /this master is unfit: .*this master is fit again/s });
check_lease('the disk hangs');
is(scalar(grep { $_->{at} > $hung_at + 500_000 && $_->{at} < $again_at } $writer->acks), 0, 'nothing could be written meanwhile');

# ---- The keeper worker

my $keeper = $server->worker('keeper');
kill 'STOP', $keeper;
check_beats('the keeper worker stands still');
kill 'CONT', $keeper;
check_lease('the keeper worker stands still');

# About as large as a value may be, changed as fast as etcd takes it.
my @lines = map { "host all all 10.0." . int($_ / 250) . '.' . $_ % 250 . '/32 scram-sha-256 #' . 'x' x 200 } 1 .. 1000;
my $changes = 0;
check_beats('a large view that changes without end', sub {
	$server->{spec}{pgHBA} = [ 'local all all trust', 'host all all 127.0.0.1/32 trust', @lines, "host all all 10.1.0.$changes/32 reject" ];
	$server->name_master('aaaaaaaa', undef);
	$changes = ($changes + 1) % 250;
});
check_lease('a large view that changes without end');
unlike($server->log_text, qr/is damaged/, 'and has been read');
is(StolonLab::some(map { $_->{text} } $writer->errors), '', 'the client has had no error at any time');
$server->stop_writers;

done_testing();
