# Goal: stolon-proxy drives pgbouncers that it has not started: clients of theirs follow the master through a switchover
# without an error and through a failover, the included file is always the truth, also for one that is started again in the
# middle of a failover. It never stops or starts them, and says clearly what is missing when a configuration does not
# include the file, or the console refuses.
# Method: two real pgbouncers that the test starts, of which one does not include the file at first.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use FencedServer;
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '2s' });
$lab->make_table;
my @postgres = getpwnam('postgres');
my ($password) = $lab->env('dsn') =~ m{//app:([^@]*)@};
my $run_dir = $lab->dir . '/proxy1/run';
my %bouncer;

sub own_file {
	my ($name, $text) = @_;
	my $file = $lab->write_file($name, $text);
	chown @postgres[ 2, 3 ], $file;
	return $file;
}
my $users = own_file('users.txt', qq("app" "$password"\n));

# A pgbouncer of somebody else's: its directory, port and process.
sub prepare_bouncer {
	my ($name, $include) = @_;
	my $folder = $lab->base . "/$name";
	mkdir $folder;
	chown @postgres[ 2, 3 ], $folder;
	my $port = $bouncer{$name}{port} //= (StolonLab::free_ports(1))[0];
	own_file("$name/pgbouncer.ini", <<"INI");
$include
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir = $folder
auth_type = scram-sha-256
auth_file = $users
pool_mode = transaction
server_login_retry = 0
server_fast_close = 1
logfile = $folder/pgbouncer.log
INI
	@{ $bouncer{$name} }{qw(folder address)} = ($folder, "$folder:$port");
	return;
}

sub start_bouncer {
	my ($name) = @_;
	$bouncer{$name}{pid} = $lab->spawn($lab->base . "/$name/out", 'setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups',
		'pgbouncer', '-q', "$bouncer{$name}{folder}/pgbouncer.ini");
	return;
}

sub stop_bouncer {
	my ($name) = @_;
	my $pid = delete $bouncer{$name}{pid} or return;
	kill 'KILL', $pid;
	waitpid $pid, 0;
	return;
}

END { local $?; stop_bouncer($_) for keys %bouncer }

sub dsn { my ($name) = @_; return "postgresql://app:$password\@127.0.0.1:$bouncer{$name}{port}/app" }

# Which node answers behind a pgbouncer.
sub node_behind {
	my ($name) = @_;
	my ($code, $out, $err) = StolonLab::run_command('psql', '-XAtqc', 'show cluster_name', '-c', 'show port', dsn($name));
	return $code == 0 ? (split /\n/, $out)[-1] : "error: $err";
}
sub port_of { return ($lab->dsn($_[0]) =~ /:(\d+)\//)[0] }

sub writer_behind {
	my ($name) = @_;
	no warnings 'redefine';
	local *StolonLab::dsn = sub { return dsn($name) };
	return $lab->writer('proxy', source => $name);
}

sub wait_for_log { my ($expected) = @_; return StolonLab::poll_until("the log says $expected", sub { $lab->log_text('proxy1') =~ $expected }) }

my $include = "%include $run_dir/databases.ini";
prepare_bouncer('theirs', $include);
prepare_bouncer('forgetful', '[databases]');
$lab->lab('stop', 'proxy1');
$lab->lab('start', 'proxy1', '--', '--processes' => 1, '--attach' => $bouncer{theirs}{address}, "--attach=$bouncer{forgetful}{address}" => '--log-level=info');
StolonLab::poll_until('the file is there', sub { -e "$run_dir/databases.ini" });
start_bouncer('theirs');
my $master = $lab->master;
StolonLab::poll_until('clients reach the master', sub { node_behind('theirs') eq port_of($master) });
pass('a pgbouncer that was started later leads to the master');

# ---- What is missing is said

start_bouncer('forgetful');
wait_for_log(qr/attached \Q$bouncer{forgetful}{address}\E: .*needs the line "%include \Q$run_dir\E\/databases\.ini"/);
pass('a configuration that does not include the file is told');
prepare_bouncer('forgetful', $include);
StolonLab::poll_until('... and works as soon as it does', sub { node_behind('forgetful') eq port_of($master) });
pass('... and works as soon as it does');

# ---- A switchover and a failover

my %writer = map { $_ => writer_behind($_) } qw(theirs forgetful);
$_->wait_for_acks(20) for values %writer;
my ($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'switchover', '--timeout', '10s');
is($code, 0, 'a switchover is done') or diag($out . $err);
$_->wait_for_acks(20, StolonLab::now()) for values %writer;
is(StolonLab::some(map { $_->{text} } $_->errors), '', "... without an error behind $_->{source}") for values %writer;
$master = $lab->wait_until_whole;
is(node_behind($_), port_of($master), "$_ leads to the new master") for qw(theirs forgetful);
my %pid = map { $_ => $bouncer{$_}{pid} } qw(theirs forgetful);
my $fault_at = $lab->fault('kill-node', $master);
# In the middle of the failover one of them is started again.
stop_bouncer('forgetful');
start_bouncer('forgetful');
my $new = $lab->wait_for_master_other_than($master);
$_->wait_for_acks(20, $fault_at, 60, "behind $_->{source} after the failover") for values %writer;
StolonLab::poll_until("$_ leads to the winner", sub { node_behind($_) eq port_of($new) }) for qw(theirs forgetful);
open my $file, '<', "$run_dir/databases.ini" or die "databases.ini: $!\n";
like(join('', <$file>), qr/^\* = host=\S+ port=${\port_of($new)}\b/m, 'the file says so');
ok(kill(0, $pid{theirs}), 'the other one was not started anew');
$lab->lab('start', $master);
$lab->wait_until_whole;

# ---- A frozen master

$master = $lab->master;
$writer{theirs}->wait_for_acks(20, StolonLab::now());
$fault_at = $lab->fault('freeze', $master);
$new = $lab->wait_for_master_other_than($master);
$_->wait_for_acks(20, $fault_at, 60, "behind $_->{source} after a freeze") for values %writer;
pass('clients get away from a frozen master');
$lab->lab('heal', $master);
$lab->wait_until_whole;

# ---- The proxy dies and comes back; it stops; theirs go on

$lab->fault('kill-proxy', 'proxy1');
$_->wait_for_acks(20, StolonLab::now()) for values %writer;
pass('without stolon-proxy they go on');
$lab->lab('start', 'proxy1', '--', '--processes' => 0, '--attach' => $bouncer{theirs}{address}, "--attach=$bouncer{forgetful}{address}" => '--log-level=info');
$_->wait_for_acks(20, StolonLab::now()) for values %writer;
$lab->lab('stop', 'proxy1');
ok(kill(0, $bouncer{$_}{pid}), "$_ was not stopped") for qw(theirs forgetful);
$_->wait_for_acks(20, StolonLab::now()) for values %writer;
$lab->stop_writers;

# ---- Another user's

my $said = $lab->base . '/nobody.log';
my $stranger = $lab->spawn($said, $lab->env('bin') . '/stolon-proxy', '--cluster-name', 'lab',
	'--store-endpoints', $lab->env('etcd'), '--processes', 0, '--run-as', 'nobody', '--attach', $bouncer{theirs}{address},
	'--run-dir', $lab->base . '/nobody', '--auth-file', '/dev/null');
ok(eval {
	StolonLab::poll_until('it is told', sub {
		FencedServer::read_text($said) =~ /its console refuses the user "pgbouncer": .*; stolon-proxy has to run as the user/ });
}, "another user's is told") or diag($@ . FencedServer::read_text($said));
kill 'KILL', $stranger;
waitpid $stranger, 0;
done_testing();
