# Goal: a launcher whose data directory holds something else (another system's data, or files that
# are no data directory) says so and touches nothing.
# Method: a standby's data directory is replaced by a fresh initdb, and by a folder with a file.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use StolonLab;
use Test::More;

my $lab = StolonLab->new(nodes => 2);
my $master = $lab->master;
my ($standby) = grep { $_ ne $master } $lab->nodes;
my $data = $lab->dir . "/$standby/data";
my @as_owner = $> == 0 ? qw(setpriv --reuid=postgres --regid=postgres --clear-groups) : ();
my ($code, $bin) = StolonLab::run_command($ENV{PG_CONFIG} // 'pg_config', '--bindir');
chomp $bin;

$lab->lab('stop', $standby);
rename "$data/postgres", "$data/kept" or die "rename: $!";

my @foreign = (
	['a foreign system', @as_owner, "$bin/initdb", '-D', "$data/postgres", '-A', 'trust'],
	['some files', @as_owner, 'sh', '-c', "mkdir $data/postgres; echo 1 >$data/postgres/diary"]);
for my $case (@foreign) {
	my ($what, @command) = @$case;
	chdir '/';
	my ($failed, $out, $err) = StolonLab::run_command(@command);
	is($failed, 0, "$what is there") or diag($err);
	my $before = fingerprint();
	my $logged = length $lab->log_text($standby);
	$lab->lab('start', $standby);
	my $said = StolonLab::poll_until("the launcher refuses $what", sub {
		my $text = substr $lab->log_text($standby), $logged;
		$text =~ /(.*(?:refus|not (?:be )?touch|does not belong|another).*)/i && $1;
	});
	pass("the launcher refuses $what ($said)");
	is(fingerprint(), $before, "$what: nothing was touched");
	is($lab->status->{members}{$standby}{postmaster}, undef, "$what: PostgreSQL was not started");
	$lab->fault('kill-node', $standby);
	StolonLab::run_command('rm', '-r', "$data/postgres");
}

rename "$data/kept", "$data/postgres" or die "rename: $!";
$lab->lab('start', $standby);
is($lab->wait_until_whole, $master, 'with its own data the node is a standby again');
done_testing();

sub fingerprint {
	my ($code, $out) = StolonLab::run_command('sh', '-c',
		"cd $data/postgres && find . -type f | sort | xargs md5sum | md5sum");
	return $out;
}
