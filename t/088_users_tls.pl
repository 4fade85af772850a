# Goal: users are who the servers say they are, without a list beside the proxy: new roles, new passwords and expired
# ones count at the next login, also while a master is being chosen. With TLS on both sides a failover is as it is
# without. No password and no secret gets into a log, into the store, or into a command line.
# Method: a real CA is made with openssl, and servers whose names do and do not fit. psql and a writer connect through
# the proxy; the master is killed. At the end every file that any part has written, the whole store and all command
# lines are searched for every secret of the test.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Find ();
use File::Temp ();
use StolonLab;
use Test::More;
use Time::HiRes ();

my $tls = File::Temp->newdir('stolon-tls-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my @postgres = getpwnam('postgres');
chmod 0755, $tls;

sub openssl {
	my (@arguments) = @_;
	my ($code, $out, $err) = StolonLab::run_command('openssl', @arguments);
	die "openssl @arguments: $err\n" if $code != 0;
	return;
}

sub text_file {
	my ($path, $text, $mode) = @_;
	unlink $path;
	open my $file, '>', $path or die "$path: $!\n";
	print $file $text;
	close $file;
	chmod $mode // 0600, $path;
	chown @postgres[ 2, 3 ], $path if $> == 0;
	return "$path";
}

sub make_ca {
	my ($name) = @_;
	openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
		'-subj', "/CN=$name", '-keyout', "$tls/$name.key", '-out', "$tls/$name.crt");
	chmod 0644, "$tls/$name.crt";
	return;
}

# NAME.crt and NAME.key, signed by the CA, for an address.
sub make_certificate {
	my ($name, $ca, $address) = @_;
	openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', "/CN=$name",
		'-keyout', "$tls/$name.key", '-out', "$tls/$name.csr");
	text_file("$tls/$name.ext", "subjectAltName = IP:$address\n");
	openssl('x509', '-req', '-in', "$tls/$name.csr", '-CA', "$tls/$ca.crt", '-CAkey', "$tls/$ca.key", '-days', '2',
		'-set_serial', int(rand(1e9)), '-extfile', "$tls/$name.ext", '-out', "$tls/$name.crt");
	for my $file ("$tls/$name.crt", "$tls/$name.key") {
		chmod 0600, $file;
		chown @postgres[ 2, 3 ], $file if $> == 0;
	}
	return;
}

make_ca('ca');
make_ca('stranger');
make_certificate('server', 'ca', '127.0.0.1');
make_certificate('proxy', 'ca', '127.0.0.1');

my $lab = StolonLab->new(spec => {
	failInterval => '2s',
	pgParameters => { ssl => 'on', ssl_cert_file => "$tls/server.crt", ssl_key_file => "$tls/server.key" },
	# The lab itself comes without TLS, as app.
	pgHBA => [ 'hostssl all all all scram-sha-256', 'hostnossl all app all scram-sha-256', 'local all all scram-sha-256' ],
});
my %password = map { $_ => "pw-of-$_-" . int(rand(1e9)) } qw(stolon_pgbouncer alice rotated late old boss);
my $auth_file = text_file($lab->base . '/auth.txt', qq("stolon_pgbouncer" "$password{stolon_pgbouncer}"\n));

# ---- Options that cannot work end the start with one message

sub start_refuses {
	my ($what, $expected, @options) = @_;
	my ($code, $out, $err) = StolonLab::run_command('setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups',
		$lab->env('bin') . '/stolon-proxy', '--cluster-name', 'lab', '--store-endpoints', $lab->env('etcd'),
		'--port', '1', '--run-dir', $lab->base . '/lab/proxy1/refused', @options);
	isnt($code, 0, "refused: $what");
	like($err . $out, $expected, '... in words');
	is(() = ($err . $out) =~ /error/g, 1, '... once');
	return;
}

start_refuses('nobody says who the users are', qr/give --auth-user.* or --auth-file/);
start_refuses('a file that is not there', qr{--server-tls-ca-file: cannot read /nonexistent: No such file},
	'--auth-user', 'stolon_pgbouncer', '--server-tls-sslmode', 'verify-ca', '--server-tls-ca-file', '/nonexistent');
my $private = text_file($lab->base . '/root-only', '');
chown 0, 0, $private;
start_refuses('a file that it may not read', qr{--auth-file: cannot read \Q$private\E: Permission denied},
	'--auth-user', 'stolon_pgbouncer', '--auth-file', $private);
start_refuses('an option that pgbouncer 1.18 does not have', qr/--auth-dbname needs pgbouncer 1\.19/,
	'--auth-user', 'stolon_pgbouncer', '--auth-dbname', 'postgres')
  if `pgbouncer --version` =~ / 1\.18\./;

# ---- Users

my $master = $lab->master;
$lab->make_table;
my ($code, $out, $err) = $lab->lab_may_fail('psql', $master, '-Xqd', 'template1', '-c', 'create extension stolon');
is($code, 0, 'the extension is in the template of new databases') or diag($err);
$lab->sql($master, 'create extension stolon');

# Statements with a password go in by a file, as they would not stand in a command line.
sub as_superuser {
	my ($statement) = @_;
	my $file = text_file($lab->base . '/statement.sql', "$statement;\n");
	$lab->sql($master, 'select 1', '-f', $file);
	unlink $file;
	return;
}

sub set_password {
	my ($role, $password, $verb, $more) = @_;
	as_superuser("$verb role $role login password '$password' " . ($more // ''));
	return;
}

set_password('stolon_pgbouncer', $password{stolon_pgbouncer}, 'alter');
set_password($_, $password{$_}, 'create') for qw(alice rotated);
set_password('old', $password{old}, 'create', "valid until '2001-01-01'");
set_password('boss', $password{boss}, 'create', 'superuser');
# A database that is made now has what is in the template.
$lab->sql($master, 'create database later owner alice');

my %proxy = ('--auth-file' => $auth_file, '--auth-user' => 'stolon_pgbouncer');

my %port = map { my $dsn = $lab->env($_); $_ => $dsn =~ /:(\d+)\// } qw(dsn ro_dsn);

# (exit code, output) of psql through the proxy. Options: password, dbname, port, tls.
sub through_proxy {
	my ($role, $sql, %options) = @_;
	local $ENV{PGPASSWORD} = $options{password} // $password{$role};
	my $tls_options = $options{tls} // 'sslmode=disable';
	my ($code, $out, $err) = StolonLab::run_command('psql', '-XAtqc', $sql,
		"host=127.0.0.1 port=$port{ $options{port} // 'dsn' } user=$role connect_timeout=" . ($options{timeout} // 20) . " dbname="
		  . ($options{dbname} // 'app') . " $tls_options");
	chomp $out;
	return ($code, $code == 0 ? $out : $err);
}

sub enters {
	my ($role, $what, %options) = @_;
	my ($code, $said) = through_proxy($role, 'select current_user, current_database()', %options);
	is($said, "$role|" . ($options{dbname} // 'app'), $what);
	return;
}

sub is_refused {
	my ($role, $what, %options) = @_;
	my ($code, $said) = through_proxy($role, 'select 1', %options);
	is($code, 2, $what);
	like($said, $options{reason} // qr/FATAL:  (SASL authentication failed|no such user)/, '... as not authenticated');
	return;
}

$lab->restart_proxy(%proxy, '--server-tls-sslmode', 'require');
enters('alice', 'a user that stands in no file logs in');
enters('alice', '... also in a database that was made later', dbname => 'later');
enters('alice', '... and on the read-only port', port => 'ro_dsn');
is_refused('alice', 'a wrong password is refused', password => 'guess');
is_refused('nobody', 'a role that does not exist is refused', password => 'guess');
is_refused('old', 'a password that has expired is refused');
is_refused('boss', 'a superuser is refused');
$lab->sql($master, 'create database bare template template0');
is_refused('alice', 'a database without the extension is refused', dbname => 'bare', reason => qr/FATAL/);
# pgbouncer lets a client whose database does not exist wait; meanwhile it must not hammer the server.
sub failed_logins { my $text = join '', map { $lab->log_text($_) } $lab->nodes; return scalar(() = $text =~ /database "nix" does not exist/g) }
is_refused('alice', 'a database that does not exist', dbname => 'nix', timeout => 3, reason => qr/timeout expired/);
cmp_ok(failed_logins(), '<', 40, '... costs the server a few connections, not hundreds');
set_password('late', $password{late}, 'create');
enters('late', 'a role that was just made logs in at once');
enters('rotated', 'a role whose password is going to change');
my $before = $password{rotated};
$password{rotated} = "new-$before";
set_password('rotated', $password{rotated}, 'alter');
is_refused('rotated', 'the old password is refused', password => $before);
enters('rotated', '... and the new one accepted');

# ---- TLS on both sides

my %certain = ('--server-tls-sslmode' => 'verify-full', '--server-tls-ca-file' => "$tls/ca.crt",
	'--client-tls-sslmode' => 'require', '--client-tls-cert-file' => "$tls/proxy.crt", '--client-tls-key-file' => "$tls/proxy.key");
my $verify = "sslmode=verify-full sslrootcert=$tls/ca.crt";
$lab->restart_proxy(%proxy, %certain);
enters('alice', 'with TLS on both sides a user logs in', tls => $verify);
is((through_proxy('alice', 'select ssl from pg_stat_ssl where pid = pg_backend_pid()', tls => $verify))[1], 't',
	'the server is reached by TLS');
is_refused('alice', 'a client without TLS is refused', reason => qr/SSL required/);
is_refused('alice', 'a client that trusts another CA leaves', tls => "sslmode=verify-full sslrootcert=$tls/stranger.crt",
	reason => qr/certificate verify failed/);

# A client of a user, as scripts/writer is one, by TLS.
sub tls_writer {
	my ($role) = @_;
	no warnings 'redefine';
	local *StolonLab::dsn = sub { "postgresql://$role:$password{$role}\@127.0.0.1:$port{dsn}/app?sslrootcert=$tls/ca.crt" };
	return $lab->writer('proxy', source => $role);
}

sub whole_again {
	StolonLab::poll_until('two standbys stream', sub {
		$lab->sql($lab->master, q(select count(*) from pg_stat_replication where state = 'streaming')) eq '2' });
	return;
}

$lab->sql($master, 'grant all on acked to alice, rotated');
my @writers = map { tls_writer($_) } qw(alice rotated);
$_->wait_for_acks(50) for @writers;

# One that connects when there is no master: it has to be looked up first.
my $old = $lab->master;
my $killed_at = $lab->fault('kill-node', $old);
my ($late_code, $late_said) = through_proxy('late', 'select pg_is_in_recovery()', tls => $verify);
$master = $lab->wait_for_master_other_than($old);
is($late_said, 'f', 'a client that comes while there is no master waits, and logs in to the next one');
$_->wait_for_acks(50, $killed_at, 60) for @writers;
for my $writer (@writers) {
	my @errors = $writer->errors($killed_at);
	cmp_ok(scalar @errors, '<=', 1, "$writer->{source} has seen at most the statement break that was under way")
	  or diag(join "\n", map { "$_->{kind} $_->{text}" } @errors);
	diag(sprintf '%s: outage %.2f s', $writer->{source}, $writer->outage($killed_at));
}
$lab->lab('heal', $old);
whole_again();
my $asked_at = StolonLab::now();
($code, $out, $err) = $lab->lab_may_fail('stolonctl', 'switchover');
is($code, 0, 'a switchover with TLS on both sides') or diag($out . $err);
$_->wait_for_acks(50, StolonLab::now(), 60) for @writers;
is(StolonLab::some(map { "$_->{kind} $_->{text}" } map { $_->errors($asked_at) } @writers), '', '... disturbs nobody');
$master = $lab->master;
my @processes = split /\0|\n/, join "\n", map { local (@ARGV, $/) = ($_); eval { <> } // '' } glob '/proc/[0-9]*/cmdline';
$lab->stop_writers;

# ---- A server that cannot prove who it is gets no client

whole_again();
$lab->restart_proxy(%proxy, %certain, '--server-tls-ca-file' => "$tls/stranger.crt", '--query-wait-timeout' => 3);
my ($stranger_code, $stranger_said) = through_proxy('alice', 'select 1', tls => $verify);
isnt($stranger_code, 0, 'a server whose certificate another CA has signed is not used');
diag($stranger_said);
$lab->restart_proxy(%proxy, %certain);
enters('alice', 'with the right CA it is', tls => $verify);

# ---- Nothing tells a secret

sub secret_of { return $lab->sql($master, "select rolpassword from pg_authid where rolname = '$_[0]'") }

my %secrets = %password;
$secrets{"former rotated"} = $before;
for my $role (qw(stolon_pgbouncer alice rotated late boss app)) {
	my ($stored, $server) = secret_of($role) =~ /^SCRAM-SHA-256\$\d+:[^\$]+\$([^:]+):(.*)$/ or die "$role has no SCRAM secret\n";
	@secrets{ "stored key of $role", "server key of $role" } = ($stored, $server);
}
for my $name (qw(superuser replication app)) {
	open my $file, '<', $lab->dir . "/secrets/$name" or die "$name: $!\n";
	chomp($secrets{"the lab's $name"} = <$file>);
}

sub told_in { my ($text) = @_; return grep { index($text, $secrets{$_}) >= 0 } sort keys %secrets }

open my $file, '<', $auth_file or die "$auth_file: $!\n";
is(join(', ', told_in(join '', <$file>)), 'stolon_pgbouncer', 'the search finds a secret where one is');
close $file;
my %read;
File::Find::find({ no_chdir => 1, wanted => sub {
	# Data directories hold pg_authid; what servers log is outside or in log files. The lab's secrets are where they are kept.
	$File::Find::prune = 1 if m{/(base|global|pg_wal|secrets|etcd/data)$};
	return if !-f || -s _ > 50_000_000;
	open my $file, '<:raw', $_ or return;
	local $/;
	my $text = <$file>;
	$read{$_} = [ told_in($text) ] if defined $text;
} }, $lab->dir);
my @logs = grep { /\.(log|out|ini)$/ } keys %read;
cmp_ok(scalar @logs, '>=', 12, scalar(@logs) . ' logs and configurations of ' . keys(%read) . ' files were read');
is(join(', ', map { "$_: @{ $read{$_} }" } grep { @{ $read{$_} } && !/passfile|\.pgpass/ } sort keys %read), '',
	'no file of any part holds a secret');
is(join(', ', told_in($lab->etcdctl('get', '', '--from-key'))), '', 'the store holds no secret');
# The test's own writers and psql get theirs from the environment or the test's files.
is(join(', ', map { my $line = $_; map { "$_ in $line" } told_in($line) } grep { !m{^postgresql://} } @processes), '',
	'no command line tells a secret');
done_testing();
