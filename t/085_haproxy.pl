# Goal: HAProxy follows the master and the standbys by what stolon-proxy --health-listen tells, and closes the connections
# to a master that was replaced, with the example configuration of packaging/. Slow and odd clients of the listener hold
# nobody up. Without a view nobody is primary.
# Method: a lab whose proxy has a health listener, and a real haproxy whose configuration is the example with the lab's
# addresses; then the master is frozen, and at last etcd. Which servers HAProxy holds for up is asked of itself: it begins
# with all of them, before it has checked any.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use HTTP::Tiny ();
use IO::Socket::INET ();
use IO::Socket::UNIX ();
use POSIX qw(WNOHANG);
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '2s', proxyTimeout => '3s' });
my %port;
@port{qw(health primary replicas)} = StolonLab::free_ports(3);
my $keepers = $lab->clusterdata->{keepers};
my $folder = $lab->base . '/haproxy';
mkdir $folder or die "$folder: $!\n";

# Ends what was started here, also when the test dies.
my @started;
END { my $code = $?; kill 'TERM', @started; waitpid $_, 0 for @started; $? = $code }

sub start {
	my ($log, @command) = @_;
	push @started, StolonLab::spawn($lab, "$folder/$log", @command);
	return $started[-1];
}

$lab->lab('stop', 'proxy1');
$lab->lab('start', 'proxy1', '--', '--health-listen', "127.0.0.1:$port{health}");

sub ask {
	my ($path, %headers) = @_;
	my $answer = HTTP::Tiny->new(timeout => 5)->get("http://127.0.0.1:$port{health}$path", { headers => \%headers });
	return ($answer->{status}, $answer->{content});
}

my $old = $lab->master;
StolonLab::poll_until('the proxy knows of all', sub { !grep { (ask("/health/$_"))[0] != 200 } sort keys %$keepers });
is((ask("/primary/$old"))[0], 200, 'the master is the primary');
my ($standby) = grep { $_ ne $old } sort keys %$keepers;
is((ask("/primary/$standby"))[0], 503, 'a standby is no primary');
is((ask("/replica/$standby"))[0], 200, 'but a replica');
is((ask("/replica/$old"))[0], 503, 'the master is no replica');
is((ask("/health/$_"))[0], 200, "$_ is healthy") for sort keys %$keepers;
is((ask('/primary', 'X-Haproxy-Server-State' => "UP 1/1; name=primary/$old; node=x"))[0], 200, 'HAProxy\'s header tells the server, too');
is((ask('/primary/nobody'))[0], 404, 'an unknown keeper is not found');
my ($status, $text) = ask('/status');
is($status, 404, 'an unknown question, too');
like($text, qr{ask for /primary/KEEPER}, 'and the answer tells what can be asked');

# ---- Slow and odd clients

sub connect_health {
	return IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port{health}", Timeout => 5) // die "no connection: $!\n";
}

my @slow = map { my $socket = connect_health(); print $socket "GET /pri"; $socket->flush; $socket } 1 .. 200;
is((ask("/primary/$old"))[0], 200, 'two hundred clients that never finish their question hold nobody up');
StolonLab::poll_until('they are all closed', sub {
	for my $socket (@slow) {
		$socket->blocking(0);
		my $read = sysread $socket, my $buffer, 1;
		return 0 if !defined $read && $!{EAGAIN};
	}
	return 1;
}, 15);
for my $odd ("\r\n\r\n", "hello\r\n\r\n", "POST /primary/$old HTTP/1.1\r\n\r\n", 'x' x 20000, "GET /primary/$old FTP\r\n\r\n") {
	my $socket = connect_health();
	local $SIG{PIPE} = 'IGNORE';
	print $socket $odd;
	$socket->flush;
	my $said = do { local $/; <$socket> } // '';
	unlike($said, qr/ 200 /, 'what is not a question is not answered with yes');
}
is((ask("/primary/$old"))[0], 200, 'and the listener goes on');

# ---- HAProxy with the example

my $example = FencedServer::read_text("$FindBin::Bin/../packaging/haproxy.cfg.example");
$example =~ s/^\tserver node\d .*\n//mg;
my $servers = join '', map { "\tserver $_ $keepers->{$_}{host}:$keepers->{$_}{port}\n" } sort keys %$keepers;
$example =~ s/(shutdown-sessions\n)/$1$servers/g;
$example =~ s/127.0.0.1:5000/127.0.0.1:$port{primary}/;
$example =~ s/127.0.0.1:5001/127.0.0.1:$port{replicas}/;
$example =~ s/port 8008/port $port{health}/g;
$example =~ s/^global\n/global\n\tstats socket $folder\/admin\n/m;
start('haproxy.log', 'haproxy', '-db', '-f', $lab->write_file('haproxy/haproxy.cfg', $example));

# The servers that HAProxy holds for up, as it says itself, once it has checked each.
sub up_servers {
	my ($proxy) = @_;
	my $socket = IO::Socket::UNIX->new("$folder/admin") or die "haproxy: $!\n";
	print $socket "show stat\n";
	$socket->flush;
	my (@up, $unchecked);
	while (my $line = <$socket>) {
		my @field = split /,/, $line, -1;
		next if $field[0] ne $proxy || $field[1] =~ /^(FRONTEND|BACKEND)$/;
		push @up, $field[1] if $field[17] =~ /^UP/;
		# The check's status: L7OK, L7STS, ...; nothing or INI before the first.
		$unchecked = 1 if $field[36] !~ /^\*? ?L/;
	}
	return $unchecked ? 'not checked yet' : join ' ', sort @up;
}

sub haproxy_has {
	my ($proxy, @expected) = @_;
	my $expected = join ' ', sort @expected;
	my $up = '';
	eval { StolonLab::poll_until("$proxy: $expected", sub { ($up = up_servers($proxy)) eq $expected }, 90) };
	is($up, $expected, "HAProxy sends clients of \"$proxy\" to: " . ($expected || 'nobody'));
	return;
}

sub dsn_of {
	my ($proxy) = @_;
	(my $dsn = $lab->dsn('proxy')) =~ s/:\d+\//:$port{$proxy}\//;
	return "$dsn?connect_timeout=5";
}

sub who_answers {
	my ($proxy) = @_;
	my ($code, $out, $err) = StolonLab::run_command('psql', '-XAtqc', "select current_setting('stolon.keeper_uid')", dsn_of($proxy));
	chomp $out;
	return $code ? $err : $out;
}

haproxy_has('primary', $old);
haproxy_has('replicas', grep { $_ ne $old } sort keys %$keepers);
is(who_answers('primary'), $old, 'a writer is at the master');
isnt(who_answers('replicas'), $old, 'a reader is at a standby') for 1 .. 4;

my $idle = start('idle.log', 'psql', '-XAtqc', 'select pg_sleep(3600)', dsn_of('primary'));
StolonLab::poll_until('a session is open', sub {
	$lab->sql($old, "select count(*) from pg_stat_activity where query like '%3600%' and wait_event = 'PgSleep'") eq '1' });
$lab->fault('freeze', $old);
my $new = $lab->wait_for_master_other_than($old);
haproxy_has('primary', $new);
is(who_answers('primary'), $new, 'after a failover a writer is at the new master');
StolonLab::poll_until('the session at the frozen master was closed', sub { waitpid($idle, WNOHANG) == $idle });
@started = grep { $_ != $idle } @started;
pass('a session at the frozen master was closed');
haproxy_has('replicas', grep { $_ ne $old && $_ ne $new } sort keys %$keepers);
$lab->lab('heal', $old);
haproxy_has('replicas', grep { $_ ne $new } sort keys %$keepers);

# ---- Nobody knows anything

$lab->fault('freeze-etcd');
haproxy_has('primary');
haproxy_has('replicas');
$lab->lab('heal', 'etcd');
$lab->wait_until_whole;
haproxy_has('primary', $lab->master);
done_testing();
