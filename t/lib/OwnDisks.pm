# Nodes of one lab that have a file system of their own below the same path each, as on hosts of their own: what tablespaces
# need. The lab has to be made with net => 'netns'.
package OwnDisks;

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(make_path);
use StolonLab;

our @EXPORT = qw(give_own_disks disk_of place_of start_on_own_disk);

# The path that all see.
sub place_of { my ($lab) = @_; return $lab->base . '/place' }

# What the node sees there.
sub disk_of { my ($lab, $node) = @_; return $lab->dir . "/$node/disk" }

sub start_on_own_disk {
	my ($lab, $node) = @_;
	my ($code, $out, $err) = StolonLab::run_command('unshare', '-m', '--propagation', 'private', 'sh', '-c',
		"mount --bind '" . disk_of($lab, $node) . "' '" . place_of($lab) . "' && exec '$StolonLab::scripts/lab' --dir '" . $lab->dir . "' start $node");
	die "$node was not started: $err\n" if $code;
	return;
}

# Starts all nodes anew, each with its own disk and the directories of these names on it.
sub give_own_disks {
	my ($lab, @directories) = @_;
	mkdir place_of($lab);
	chmod 0755, $lab->base, place_of($lab);
	for my $node ($lab->nodes) {
		my $disk = disk_of($lab, $node);
		make_path(map { "$disk/$_" } @directories);
		chown((stat($lab->dir . "/$node/data/postgres"))[4, 5], $disk, map { "$disk/$_" } @directories);
	}
	for my $node (sort { ($a eq $lab->master) <=> ($b eq $lab->master) } $lab->nodes) {
		$lab->lab('stop', $node);
		start_on_own_disk($lab, $node);
		$lab->wait_until_whole;
	}
	return;
}

1;
