# A switchover that an open transaction holds in its step "pause", in a lab with hosts of their own.
package HeldSwitchover;

use strict;
use warnings;

use IPC::Run ();
use StolonLab;

# Returns when clients are let wait.
sub begin {
	my ($class, $lab, $target, $timeout) = @_;
	my $self = bless { in => "begin;\nselect 'open';\n", out => '', err => '', said => '', complaint => '' }, $class;
	$self->{session} = IPC::Run::start([ $lab->client_exec, 'psql', '-XAtq', '-d', $lab->dsn('proxy') ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err});
	$self->{session}->pump until $self->{out} =~ /open/;
	$self->{command} = IPC::Run::start(
		[ "$StolonLab::scripts/lab", '--dir', $lab->dir, 'stolonctl', 'switchover', '--to', $target, '--timeout', $timeout ],
		'<', \undef, '>', \$self->{said}, '2>', \$self->{complaint});
	StolonLab::poll_until('clients are let wait', sub { ($lab->clusterdata->{switchover}{phase} // '') eq 'pause' });
	return $self;
}

# Ends the transaction. Returns what its session complained about.
sub let_go {
	my ($self) = @_;
	$self->{in} .= "commit;\n";
	$self->{session}->finish;
	return $self->{err};
}

# Waits for the command. Returns its exit code and what it complained about.
sub outcome {
	my ($self) = @_;
	$self->{command}->finish;
	return ($self->{command}->result(0), $self->{complaint});
}

1;
