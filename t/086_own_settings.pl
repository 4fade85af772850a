# Goal: the operator's own settings for databases, users and pgbouncer hold behind the proxy, on both ports, and every
# database follows the master. A change counts at a SIGHUP and disturbs nobody; a file that is wrong in any way changes
# nothing, and the log names the line. A proxy that is started anew over running pgbouncers does not leave them alone
# because of such a file.
# Method: several databases and users through a real pgbouncer, whose console is asked what is in force. The master is
# killed; the proxy is killed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IPC::Run ();
use StolonLab;
use Test::More;

my $lab = StolonLab->new(spec => { failInterval => '2s' });
my @postgres = getpwnam('postgres');
my %port = map { my $dsn = $lab->env($_); $_ => $dsn =~ /:(\d+)\// } qw(dsn ro_dsn);
my $run_dir = $lab->dir . '/proxy1/run';

sub write_settings {
	my ($text) = @_;
	my $file = $lab->write_file('own.ini', $text);
	chown @postgres[ 2, 3 ], $file;
	return $file;
}

# Of pgbouncer's console: {first column => {column => value}}.
sub console {
	my ($name, $statement) = @_;
	my $port = $name =~ /^rw/ ? $port{dsn} : $port{ro_dsn};
	my ($code, $out, $err) = StolonLab::run_command('setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups',
		'psql', '-XAqF', "\t", '-P', 'footer=off', '-c', $statement,
		"host=$run_dir/$name port=$port dbname=pgbouncer user=pgbouncer");
	die "console of $name: $err\n" if $code != 0;
	my ($head, @rows) = map { [ split /\t/, $_, -1 ] } split /\n/, $out;
	my %answer;
	for my $row (@rows) {
		@{ $answer{ $row->[0] } }{@$head} = @$row;
	}
	return \%answer;
}

# (exit code, output) of psql through the proxy.
sub through_proxy {
	my ($database, $sql, %options) = @_;
	local $ENV{PGPASSWORD} = $options{password} if $options{password};
	my $dsn = $lab->env($options{port} // 'dsn');
	$dsn =~ s{/[^/]*$}{/$database};
	$dsn =~ s{//[^@]*@}{//$options{user}@} if $options{user};
	my ($code, $out, $err) = StolonLab::run_command('psql', '-XAtqc', $sql, $dsn);
	chomp $out;
	return $code == 0 ? $out : $err;
}

sub address_of {
	my ($node) = @_;
	my ($host, $port) = $lab->dsn($node) =~ m{@([^:/]+):(\d+)/};
	return "$host:$port";
}

sub proxy_log { return $lab->log_text('proxy1') }

# The log line that came after a length of it.
sub wait_for_log {
	my ($since, $expected) = @_;
	return StolonLab::poll_until("the log says $expected", sub { substr(proxy_log(), $since) =~ $expected });
}

# To stolon-proxy alone, not to its pgbouncers.
sub signal_proxy {
	my ($signal) = @_;
	open my $file, '<', $lab->dir . '/lab.json' or die "lab.json: $!\n";
	my $members = JSON::PP::decode_json(join '', <$file>)->{members};
	kill $signal, $members->{proxy1}{pid} or die "no proxy\n";
	return;
}

my $master = $lab->master;
$lab->make_table;
$lab->sql($master, q(create role clerk login password 'clerk'));
$lab->sql($master, 'grant all on acked to clerk');
$lab->sql($master, 'create database sales owner clerk');
my $secrets = $lab->dir . '/secrets/userlist.txt';
open my $list, '<', $secrets or die "$secrets: $!\n";
my $users = $lab->write_file('users.txt', join('', <$list>) . qq("clerk" "clerk"\n));
chown @postgres[ 2, 3 ], $users;

my $good = <<'INI';
[databases]
sales = pool_size=4 reserve_pool=2
alias = dbname=app connect_query='set own.marker = ''by alias'''
sessions = dbname=app pool_mode=session
as_clerk = dbname=app user=clerk max_db_connections=9
* = pool_size=7
[users]
clerk = pool_mode=session
[pgbouncer]
stats_users = app
tcp_keepidle = 11
INI
my $file = write_settings($good);

# ---- A start with a wrong file ends with one message

for my $case (
	[ "[databases]\nsales = host=db1\n", qr/own\.ini:2: database "sales" has a host/ ],
	[ "[pgbouncer]\nlisten_port = 1\n", qr/own\.ini:2: "listen_port" cannot be set here: use --port/ ],
	[ "[databases]\nsales = pool_mode=often\n", qr/own\.ini:2: pgbouncer refuses it: .*often/ ],
	[ "[pgbouncer]\nno_such_setting = 1\n", qr/own\.ini:2: pgbouncer refuses it: .*no_such_setting/ ])
{
	write_settings($case->[0]);
	my ($code, $out, $err) = StolonLab::run_command('setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups',
		$lab->env('bin') . '/stolon-proxy', '--cluster-name', 'lab', '--store-endpoints', $lab->env('etcd'), '--port', '1',
		'--run-dir', $lab->dir . '/proxy1/refused', '--auth-file', $users, '--include', $file);
	is($code, 1, 'the start ends');
	like("$out$err", $case->[1], '... with the line');
	is(() = "$out$err" =~ /error/g, 1, '... once');
}

# ---- What holds

write_settings($good);
my @options = ('--auth-file' => $users, '--include' => $file);
$lab->restart_proxy(@options);
my $clerk = 'clerk:clerk';

sub check_databases {
	my ($name, $when, @addresses) = @_;
	my $databases = console($name, 'show databases');
	for my $database (qw(sales alias sessions as_clerk)) {
		my $row = $databases->{$database};
		is(join(',', sort map { "$_:$row->{port}" } split /,/, $row->{host} // ''), join(',', sort @addresses),
			"$name: $database leads there $when");
	}
	return $databases;
}

is(through_proxy('alias', 'select current_database()'), 'app', 'an alias leads to its database');
is(through_proxy('alias', 'show own.marker'), 'by alias', '... and its connect_query was run');
is(through_proxy('sales', 'select current_user', user => $clerk), 'clerk', 'another user is in another database');
is(through_proxy('as_clerk', 'select current_user'), 'clerk', 'a database with a user of its own');
is(through_proxy('template1', 'select current_database()'), 'template1', 'what is not named is reached all the same');
is(through_proxy('alias', 'select pg_is_in_recovery()', port => 'ro_dsn'), 't', 'the read-only port has the alias, too');
my ($standby, $other) = grep { $_ ne $master } $lab->nodes;
for my $name (qw(rw-0 rw-1)) {
	my $databases = check_databases($name, 'at first', address_of($master));
	is("$databases->{sales}{pool_size} $databases->{sales}{reserve_pool}", '4 2', "$name: pool sizes");
	is($databases->{sessions}{pool_mode}, 'session', "$name: pool mode");
	is($databases->{as_clerk}{max_connections}, 9, "$name: limit");
	is(console($name, 'show config')->{tcp_keepidle}{value}, 11, "$name: a setting");
}

# ---- A change disturbs nobody

my ($in, $out, $err) = ("select 1;\n", '', '');
my $dsn = $lab->env('dsn');
$dsn =~ s{/[^/]*$}{/sessions};
my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $dsn ], '<', \$in, '>', \$out, '2>', \$err);
$session->pump until $out =~ /1/;
write_settings($good =~ s/pool_size=4/pool_size=5/r);
signal_proxy('HUP');
for my $name (qw(rw-0 rw-1 ro-0)) {
	StolonLab::poll_until("$name has the change", sub { console($name, 'show databases')->{sales}{pool_size} == 5 });
	pass("$name has the change");
}

# ---- A wrong file changes nothing

for my $case (
	[ $good =~ s/pool_size=4/pool_size=6 port=1/r, qr/own\.ini:2: database "sales" has a port/ ],
	[ $good =~ s/pool_size=4/pool_size=6/r =~ s/pool_mode=session$/pool_mode=often/mr, qr/own\.ini:4: pgbouncer refuses it/ ],
	[ $good =~ s/pool_size=4/pool_size=6/r =~ s/tcp_keepidle = 11/tcp_keepidle = many/r, qr/own\.ini:11: pgbouncer refuses it/ ],
	[ $good =~ s/tcp_keepidle = 11/tcp_keepidle = 12\nno_such_setting = 1/r, qr/own\.ini:12: pgbouncer refuses it/ ],
	[ "[databases", qr/own\.ini:1: there is no section/ ])
{
	my $since = length proxy_log();
	write_settings($case->[0]);
	signal_proxy('HUP');
	wait_for_log($since, qr/nothing changes: .*$case->[1]/);
	pass('a wrong file is told, with its line');
	is(console('rw-0', 'show databases')->{sales}{pool_size}, 5, '... and a database is as it was');
	is(console('rw-0', 'show config')->{tcp_keepidle}{value}, 11, '... and a setting');
	is(console('rw-0', 'show config')->{server_fast_close}{value}, 1, '... and what the proxy sets itself');
}
$in .= "select 2;\n";
$session->pump until $out =~ /2/;
is($err, '', 'an open session has not noticed');
$in .= "\\q\n";
$session->finish;

# ---- A proxy that is started anew with the wrong file

signal_proxy('KILL');
my %pid = map { my $text = do { open my $f, '<', "$run_dir/$_/lock" or die; <$f> }; $_ => $text + 0 } qw(rw-0 rw-1 ro-0);
my $since = length proxy_log();
$lab->lab('start', 'proxy1', '--', @options);
wait_for_log($since, qr/those in force stay: .*own\.ini:1/);
is(through_proxy('alias', 'select 1'), 1, 'a proxy that is started anew goes on with the earlier settings');
is(console('rw-0', 'show databases')->{sales}{pool_size}, 5, '... which are in force');
ok(kill(0, $pid{'rw-0'}), '... in the same process');

# ---- Every database follows the master

write_settings($good);
signal_proxy('HUP');
my $new = do {
	$lab->fault('kill-node', $master);
	$lab->wait_for_master_other_than($master);
};
is(through_proxy($_, 'select pg_is_in_recovery()'), 'f', "$_ leads to the new master") for qw(alias sessions as_clerk);
is(through_proxy('sales', 'select pg_is_in_recovery()', user => $clerk), 'f', 'sales leads to the new master');
check_databases($_, 'after a failover', address_of($new)) for qw(rw-0 rw-1);
is(console('rw-0', 'show databases')->{sales}{pool_size}, 4, 'settings are as they were');
$lab->lab('start', $master);
is($lab->wait_until_whole, $new, 'all is well');
StolonLab::poll_until('readers have both standbys', sub { console('ro-0', 'show databases')->{alias}{host} =~ /,/ || address_of($standby) =~ /^127/ });
done_testing();
