# Goal: the read-only port leads to the standbys that are fit, and to each of them. Whatever happens to a standby (it is
# killed, frozen, lags, becomes the master) or to the master, a reader sees at most the error of the statement that was
# running, and none once the proxy has noticed. Who is back, or new, is used again. Without a standby, readers go to the
# master, or wait if that is not allowed. stolonctl status shows all that.
# Method: four readers note which server answered each statement, while standbys and masters are treated badly; then it is
# looked where new connections end up, and that the proxy's own connections leave no lines in the servers' logs.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '2s', sleepInterval => '1s', maxReadLag => 1 << 20 });
$lab->make_table;

sub port_of { return $lab->dsn($_[0]) =~ /:(\d+)\// ? $1 : die "no port\n" }

my %port = map { $_ => port_of($_) } $lab->nodes;
my %node = reverse %port;
my $looks = 0;

# Where new connections end up: the kernel spreads them, so that a dozen reaches everybody.
sub who_answers {
	my %seen;
	for (1 .. 12) {
		my ($code, $out, $err) = StolonLab::run_command('psql', '-XAtc', 'select inet_server_port()', $lab->dsn('ro'));
		chomp $out;
		$seen{ $code ? "error: $err" : $node{$out} // $out } = 1;
	}
	return join ' ', sort keys %seen;
}

sub readers_reach {
	my (@nodes) = @_;
	my $expected = join ' ', sort @nodes;
	my $seen = '';
	eval { StolonLab::poll_until("readers reach $expected", sub { ($seen = who_answers()) eq $expected }, 90) };
	is($seen, $expected, "readers reach $expected");
	return;
}

sub proxy_status { return $lab->status->{cluster}{proxies}[0] }

sub status_shows {
	my ($what, $check) = @_;
	ok(eval { StolonLab::poll_until($what, sub { $check->(proxy_status()) }, 90) }, "status shows $what")
	  or diag(JSON::PP::encode_json(proxy_status()));
	return;
}

my @readers = map { $lab->writer('ro', source => "reader$_", read => 1, interval => 0.01) } 1 .. 4;
my $since = StolonLab::now();

# Since the last call each reader has had at most so many errors, and goes on.
sub readers_saw_at_most {
	my ($allowed, $what) = @_;
	$_->wait_for_acks(10, StolonLab::now(), 40) for @readers;
	my @errors = map { [ $_->errors($since) ] } @readers;
	is(scalar(grep { @$_ > $allowed } @errors), 0, "$what: readers have seen at most $allowed error(s)")
	  or diag(join "\n", map { join '; ', map { "$_->{at} $_->{kind} $_->{text}" } @$_ } @errors);
	diag("$what: errors of the readers: " . join ' ', map { scalar @$_ } @errors);
	$since = StolonLab::now();
	return;
}

my $master = $lab->master;
my ($one, $other) = grep { $_ ne $master } $lab->nodes;
readers_reach($one, $other);
unlike(FencedServer::read_text($lab->dir . "/$_/data/postgres.log"), qr/could not receive data from client/,
	"the connections that watch $_ leave nothing in its log") for $one, $master;
status_shows('where readers go, and that all pgbouncers are up', sub {
	join(' ', sort @{ $_[0]{readersGoTo} }) eq join(' ', sort map { "127.0.0.1:$port{$_}" } $one, $other)
	  && !$_[0]{readersAtMaster} && $_[0]{pgbouncers} == 4 && $_[0]{pgbouncersRunning} == 4 && !defined $_[0]{clientsWaiting} });

$lab->fault('kill-postgres', $one);
readers_saw_at_most(1, 'a standby was killed');
readers_reach($one, $other);
readers_saw_at_most(0, 'it is back');

$lab->fault('freeze', $one);
readers_reach($other);
readers_saw_at_most(1, 'a standby was frozen');
$lab->lab('heal', $one);
readers_reach($one, $other);
readers_saw_at_most(0, 'it was thawed');

$lab->fault('kill-node', $one);
readers_reach($other);
readers_saw_at_most(1, "a standby's host died");
like($lab->log_text('proxy1'), qr/readers are sent to .*$one takes no connections/, 'the proxy knew before the view');
$lab->lab('start', $one);
readers_reach($one, $other);
readers_saw_at_most(0, 'it came up');

$lab->sql($one, 'select pg_wal_replay_pause()');
$lab->sql($master, 'create table bulk as select repeat(md5(n::text), 30) from generate_series(1, 5000) n');
readers_reach($other);
like($lab->log_text('proxy1'), qr/readers are sent to .*$one lags by more than maxReadLag allows/, 'the log says why');
$lab->sql($one, 'select pg_wal_replay_resume()');
readers_reach($one, $other);
readers_saw_at_most(0, 'a standby lagged and caught up');

my ($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'switchover', '--to', $one);
is($code, 0, "$one has become the master") or diag($out . $err);
readers_reach($master, $other);
readers_saw_at_most(0, 'a standby has become the master');

$lab->wait_until_whole;
my $second = $lab->master;
$lab->fault('kill-node', $second);
my $third = $lab->wait_for_master_other_than($second);
my ($left) = grep { $_ ne $second && $_ ne $third } $lab->nodes;
readers_reach($left);
readers_saw_at_most(1, 'the master was killed');
$lab->lab('heal', $second);
$lab->wait_until_whole;

# ---- No standby is left

$lab->lab('stop', $left);
readers_reach($second);
readers_saw_at_most(1, 'a standby was stopped');
$lab->lab('stop', $second);
readers_reach($third);
readers_saw_at_most(1, 'the other standby was stopped');
status_shows('that readers are at the master', sub { $_[0]{readersAtMaster} && "@{ $_[0]{readersGoTo} }" eq "127.0.0.1:$port{$third}" });
like($lab->log_text('proxy1'), qr/readers are sent to .*, the master/, 'the log says that it is the master');
$lab->lab('stop', 'proxy1');
$lab->stop_writers;
my $logged = length $lab->log_text('proxy1');
$lab->lab('start', 'proxy1', '--', '--ro-fallback', 'none');
StolonLab::poll_until('the proxy says that readers wait', sub { substr($lab->log_text('proxy1'), $logged) =~ /readers wait for a standby/ });
my $waiting = $lab->writer('ro', source => 'waiting', read => 1);
$lab->lab('start', $left);
$waiting->wait_for_acks(10);
is(join(' ', map { $node{ $_->{text} } } ($waiting->acks)[0]), $left, 'a reader waits for a standby if the master is not for it');
is(scalar $waiting->errors, 0, '... without an error');
# ---- No server is left

my $writer = $lab->writer('proxy');
$writer->wait_for_acks(5);
$lab->lab('stop', $_) for $left, $lab->master;
status_shows('that a client waits', sub { $_[0]{paused} && $_[0]{clients} && $_[0]{clients} >= 1 && $_[0]{clientsWaiting} == 1 });
my ($code_text, $text) = $lab->lab_may_fail('stolonctl', 'status');
like($text, qr/paused: 1 of \d+ clients wait/, '... in words, too');
$lab->lab('start', $_) for $third, $left;
$writer->wait_for_acks(5, StolonLab::now());
status_shows('no number of clients any more', sub { !$_[0]{paused} && !defined $_[0]{clientsWaiting} });
done_testing();
